"""Split lists for any reader: train.txt, val.txt, test.txt beside a source, one image name a line.

A name is that of the image in the source, its file name alone, or either without its suffix. What no list names is
`unlisted`; a name that the source does not have becomes a failed row, so that a wrong list is seen and counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import UNLISTED, LeftOut, RawSample, SourceReader, failed
from mem_core.data.readers.flickr_token import find_lists as find_split_lists
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import read_lines

__all__ = ["SplitLists", "find_split_lists"]


class SplitLists:
    """The samples of a reader, each with the split that the lists say."""

    def __init__(self, reader: SourceReader, lists: Sequence[tuple[str, SourceFile]]) -> None:
        self._reader = reader
        self._split: dict[str, str] = {}
        self._list_of: dict[str, SourceFile] = {}
        for split, path in lists:
            for _, line in read_lines(path):
                if name := line.strip():
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
        waiting = dict.fromkeys(self._split)
        for sample in self._reader:
            named = next((alias for alias in _aliases(sample.name) if alias in self._split), None)
            if named is not None:
                waiting.pop(named, None)
            split = self._split[named] if named is not None else UNLISTED
            yield replace(sample, split=split)
        for name in waiting:
            path = self._list_of[name]
            reason = f"expected the image {name!r} of {path.name} in {self.uri}, but the source has no such"
            yield failed(name, reason, "no-image")

    def _add(self, name: str, split: str, path: SourceFile) -> None:
        known = self._split.setdefault(name, split)
        if known != split:
            first = self._list_of[name].name
            raise SourceError(f"expected each image in one split list, but {name!r} is in {first} and in {path.name}")
        self._list_of[name] = path


def _aliases(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    yield from (name, path.name, str(path.with_suffix("")), path.stem)
