"""A source on disk or in an object store: one listing of a folder, and the files in it.

The listing is taken once and held, about a hundred bytes a file.
"""

import shutil
import tempfile
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from mem_core.common.storage.folder import Folder, Troubles
from mem_core.data.readers.path_parts import folder_around, suffix_of, without_suffix
from mem_core.data.side_files import is_side_file

_CHUNK = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. path: relative to the source's folder."""

    folder: Folder
    path: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return without_suffix(self.name)

    @property
    def suffix(self) -> str:
        """Lower case, with its dot."""
        return suffix_of(self.path)

    @property
    def parent(self) -> str:
        """The folder that it lies in, "" at the top."""
        return folder_around(self.path)

    def __str__(self) -> str:
        """The whole address."""
        return f"{self.folder.uri}/{self.path}"

    def open(self) -> BinaryIO:
        """A stream from the first byte on."""
        return self.folder.open(self.path)

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """For formats that are read back and forth: where the store only streams, from a temporary copy."""
        with self.open() as stream:
            if stream.seekable():
                yield stream
                return
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(stream, copy, _CHUNK)
                copy.seek(0)
                yield copy


class SourceTree:
    """All files of a source, by name, but for side files (`side_files.py`): no reader meets those.

    names: the paths of all files, sorted. side_files: those of what is hidden or an operating system's own. troubles:
    what cannot be read as a file or folder: loops of links, what nobody may read, pipes. Links to folders are not
    followed.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder, self.uri = folder, folder.uri
        self.names: list[str] = []
        self.side_files: list[str] = []
        troubles: Troubles = {}
        for name in sorted(folder.names(troubles)):
            (self.side_files if is_side_file(name) else self.names).append(name)
        self.troubles = {name: why for name, why in troubles.items() if not is_side_file(name)}

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name in self.names:
            found[folder_around(name)].append(name)
        return dict(found)

    def __contains__(self, name: str) -> bool:
        place = bisect_left(self.names, name)  # no dictionary: it would take as much memory as the names do
        return self.names[place : place + 1] == [name]

    def __iter__(self) -> Iterator[SourceFile]:
        """All files at any depth, sorted."""
        return map(self.file, self.names)

    def file(self, name: str) -> SourceFile:
        return SourceFile(self.folder, name)

    def inside(self, folder: str) -> list[SourceFile]:
        """The files right in a folder ("" is the top), sorted."""
        return [self.file(name) for name in self._by_folder.get(folder, ())]
