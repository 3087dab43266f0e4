"""Shards that are missing among numbered ones: a tar that was not copied, or one of which only the table is there."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence

from mem_core.common.formatting import counted
from mem_core.common.storage.folder import read_bytes
from mem_core.data.readers.base import LeftOut
from mem_core.data.readers.path_parts import TAR_SUFFIXES, stem_of
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.text import repaired
from mem_core.data.receipt import stats_name
from mem_core.data.table import table_name

_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{1,9})(?:-of-(?P<of>[0-9]{1,9}))?")
_SIDECARS = (table_name(""), stats_name(""))
_NAMED = 5


def shard_gaps(tree: SourceTree, tars: Sequence[SourceFile]) -> list[LeftOut]:
    """One entry for each folder of numbered tars in which some are missing."""
    known = {stem_of(tar.path) for tar in tars}
    for folder in {tar.parent for tar in tars}:
        paths = [file.path for file in tree.inside(folder)]
        known |= {path.removesuffix(end) for path in paths for end in _SIDECARS if path.endswith(end)}
    series: defaultdict[tuple[str, int, str], set[int]] = defaultdict(set)
    for stem in known:
        if found := _NUMBERED.fullmatch(stem):
            before, number, of = found["before"], found["number"], found["of"] or ""
            series[before, len(number), of].add(int(number))
    gaps = []
    for (before, width, of), numbers in sorted(series.items()):
        names = [f"{before}{number:0{width}}{f'-of-{of}' if of else ''}" for number in _expected(numbers, of)]
        missing = [name for name in names if not any(f"{name}{suffix}" in tree for suffix in TAR_SUFFIXES)]
        if missing and len(missing) < len(names):
            listed = ", ".join(name.rpartition("/")[2] for name in missing[:_NAMED])
            more = ", ..." if len(missing) > _NAMED else ""
            reason = f"expected the tars {names[0]} to {names[-1]}, but {counted(len(missing), 'tar')} of these"
            gaps.append(_left_out(f"{missing[0]}.tar", f"{reason} missing: {listed}{more}"))
    return gaps


def _expected(numbers: set[int], of: str) -> range:
    total = int(of or 0)
    if 0 < total <= 10 * len(numbers):
        return range(total)
    first, last = min(numbers), max(numbers)
    return range(first, last + 1) if last - first < 10 * len(numbers) else range(0)  # else a choice of many


def missing_pictures(file: SourceFile, pictures: int) -> list[LeftOut]:
    """An entry if img2dataset's statistics beside a tar count more pictures than the tar holds."""
    stem = stem_of(file.path)
    try:
        stats = json.loads(read_bytes(file.folder, stats_name(stem)))
        expected = int(stats["successes"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return []
    if pictures >= expected:
        return []
    reason = f"expected {counted(expected, 'picture')} in it, as {stats_name(stem)} counts, got {pictures}"
    return [_left_out(file.path, reason)]


def _left_out(name: str, reason: str) -> LeftOut:
    return LeftOut(repaired(name)[0], "shard", "no-image", repaired(reason)[0])
