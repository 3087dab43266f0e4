"""Split lists for any reader: train.txt, val.txt, test.txt in a source, one image name a line.

A name means what it would in a table of captions (see `files.py`); in folders that the source does not have, the one
image of its file name. What no list names is `unlisted`; a name that the source does not have becomes a failed row, so
that a wrong list is seen and counted.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import UNLISTED, RawSample, failed
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.names import Found
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.splits import split_in_name
from mem_core.data.readers.text import read_lines, repaired

_LIST = re.compile(
    r"(?:.*[._-])?(?P<split>train|trn|dev|val|valid|validation|test)[_-]?(?:images|list|split|ids|files|set)?\.(?:txt|lst)",
    re.IGNORECASE,
)
_LOOKED_AT = 100  # lines


def is_list_name(path: str) -> bool:
    """Whether a file is called as split lists are."""
    return _LIST.fullmatch(path.rpartition("/")[2]) is not None


def find_split_lists(
    files: Iterable[SourceFile], names_one: Callable[[str], bool] = bool
) -> list[tuple[str, SourceFile]]:
    """(split, file) for each split list among the files. names_one: whether a line is the name of an image: one of the
    first lines has to be."""
    lists = ((match, file) for file in files if (match := _LIST.fullmatch(file.name)))
    return [(split_in_name(match["split"]), file) for match, file in lists if _names_any(file, names_one)]


def _names_any(file: SourceFile, names_one: Callable[[str], bool]) -> bool:
    try:
        return any(names_one(line) for _, line in islice(read_lines(file), _LOOKED_AT) if line.strip())
    except (SourceError, UnicodeDecodeError):  # something else of such a name, as bytes that are no text
        return False


class _Listed(NamedTuple):
    """A line of a list, and what its image is."""

    name: str
    split: str
    file: SourceFile
    found: Found


class SplitLists:
    """What the lists of a source say. Raises `SourceError` if two say different splits of an image."""

    def __init__(self, files: ImageFiles, lists: Iterable[tuple[str, SourceFile]]) -> None:
        self._files = files
        self._listed: dict[str, _Listed] = {}
        """By the path of the image."""
        for split, file in lists:
            for _, line in read_lines(file):
                if name := line.strip():
                    self._add(_Listed(repaired(name)[0], split, file, self._find(name, file.parent)))

    def over(self, samples: Iterable[RawSample]) -> Iterator[RawSample]:
        """The samples with their splits, then a failed one for each name that none of them has."""
        waiting = dict(self._listed)
        for sample in samples:
            path = self._files.find(sample.name).path
            waiting.pop(path, None)
            yield _in_split(sample, self._listed[path].split if path in self._listed else "")
        for name, split, file, found in waiting.values():
            reason = found.reason or "expected a sample of an image that a split list names, but the source has no such"
            yield failed(name, f"{reason}: {name!r} of {file.name}", found.code, split=split)

    def _find(self, name: str, folder: str) -> Found:
        found = self._files.find(name, folder)
        last = name.replace("\\", "/").rpartition("/")[2]
        if found.code == "no-image" and found.reason and last != name:
            other = self._files.find(last)
            return found if other.reason else other
        return found

    def _add(self, line: _Listed) -> None:
        first = self._listed.setdefault(line.found.path, line)
        if first.split != line.split:
            both = f"{first.file.name} and in {line.file.name}"
            raise SourceError(f"expected each image in one split list, but {line.name!r} is in {both}")


def _in_split(sample: RawSample, listed: str) -> RawSample:
    """The sample in its list's split; one that other signs call test stays there, or fails if lists differ."""
    own = "" if sample.split in ("train", UNLISTED) else sample.split
    if own and listed not in ("", own) and not sample.problem:
        problem = f"expected one split, but {sample.name!r} is in {own}, and a list names it for {listed}"
        return replace(sample, problem=problem, code="split-conflict")
    return replace(sample, split=own or listed or UNLISTED)
