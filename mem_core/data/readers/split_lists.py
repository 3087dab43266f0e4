"""Split lists for any reader: train.txt, val.txt, test.txt in a source, one image name a line.

A name is that of the image in the source, its file name alone, or either without its suffix; in folders that the source
does not write it means the one image of its file name. What no list names is
`unlisted`; a name that the source does not have becomes a failed row, so that a wrong list is seen and counted.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import UNLISTED, LeftOut, RawSample, SourceReader, failed
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.splits import split_in_name
from mem_core.data.readers.text import read_lines

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


class SplitLists:
    """The samples of a reader, each with the split that the lists say."""

    def __init__(self, reader: SourceReader, lists: Sequence[tuple[str, SourceFile]]) -> None:
        self._reader = reader
        self._split: dict[str, str] = {}
        self._list_of: dict[str, SourceFile] = {}
        self._by_end: dict[str, str] = {}
        """The file names of those in folders -> the name in the list, "" where several end so."""
        for split, path in lists:
            for _, line in read_lines(path):
                if name := line.strip().replace("\\", "/").removeprefix("./"):
                    self._add(name, split, path)

    @property
    def format(self) -> str:
        return self._reader.format

    @property
    def uri(self) -> str:
        return self._reader.uri

    @property
    def left_out(self) -> Sequence[LeftOut]:
        return self._reader.left_out

    def __iter__(self) -> Iterator[RawSample]:
        return self.over(self._reader)

    def over(self, samples: Iterable[RawSample]) -> Iterator[RawSample]:
        """The samples with their splits, then a failed one for each name that none of them has."""
        waiting = dict.fromkeys(self._split)
        for sample in samples:
            named = self._name_of(sample)
            waiting.pop(named, None)
            yield _in_split(sample, self._split.get(named, ""))
        for name in waiting:
            path = self._list_of[name]
            reason = f"expected the image {name!r} of {path.name} in {self.uri}, but the source has no such"
            yield failed(name, reason, "no-image", split=self._split[name])

    def _name_of(self, sample: RawSample) -> str:
        """The name that a list has for the image, "" if none has one."""
        aliases = [*_aliases(sample.name.replace("\\", "/").removeprefix("./"))]
        ends = (self._by_end.get(alias, "") for alias in aliases[1::2])
        return next((alias for alias in aliases if alias in self._split), "") or next(filter(None, ends), "")

    def _add(self, name: str, split: str, path: SourceFile) -> None:
        known = self._split.setdefault(name, split)
        if known != split:
            first = self._list_of[name].name
            raise SourceError(f"expected each image in one split list, but {name!r} is in {first} and in {path.name}")
        self._list_of[name] = path
        if (end := PurePosixPath(name).name) != name and known == split:
            self._by_end[end] = name if self._by_end.get(end, name) == name else ""


def _in_split(sample: RawSample, listed: str) -> RawSample:
    """The sample in its list's split; one that other signs call test stays there, or fails if lists differ."""
    own = "" if sample.split in ("train", UNLISTED) else sample.split
    if own and listed not in ("", own) and not sample.problem:
        problem = f"expected one split, but {sample.name!r} is in {own}, and a list names it for {listed}"
        return replace(sample, problem=problem, code="split-conflict")
    return replace(sample, split=own or listed or UNLISTED)


def _aliases(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    yield from (name, path.name, str(path.with_suffix("")), path.stem)
