"""Finds the pictures that captions name: files anywhere in the source folder, or in its tars (docs/names.md).

Nothing outside the source folder is ever read: paths and links that lead out are refused.
"""

import os
from collections.abc import Callable, Iterator, Set
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from mem_core.common.errors import ImageError, StorageRefused
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.readers.base import NoImage
from mem_core.data.readers.names import Found, NameIndex
from mem_core.data.readers.path_parts import is_picture
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.spellings import Spelling, Spellings
from mem_core.data.side_files import is_side_file
from mem_core.data.tar_reader import MAX_IMAGE_BYTES, scan

_USUAL = 1 << 16  # bytes


class ImageFiles:
    """The pictures of a source by the names that captions have for them."""

    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        self._tars = [file for file in map(tree.file, tree.names) if file.suffix == ".tar"]
        self._spellings = Spellings(tree.folder)
        self._last: tuple[tuple[str, str, str], Found] | None = None  # captions of one image often stand together

    def find(self, name: str, beside: str = "", split: str = "") -> Found:
        """Where the picture lies that is meant, with a reason if it cannot be had."""
        asked = (name, beside, split)
        if self._last is None or self._last[0] != asked:
            try:
                self._last = asked, self._find(name, beside, split)
            except ImageError as error:
                plain = str(PurePosixPath(name.strip().replace("\\", "/")))
                self._last = asked, Found(f"{beside}//{plain}", reason=str(error), code=error.code)
        return self._last[1]

    def reader(self, found: Found) -> Callable[[], bytes]:
        """What reads the bytes, or raises `ImageError` with the reason."""
        if found.reason:
            return NoImage(found.reason, found.code)
        if found.tar < 0:
            return partial(_read_file, self._tree.file(found.path))
        return partial(_read_part, self._tars[found.tar], found)

    def at(self, file: SourceFile) -> Callable[[], bytes]:
        """What reads a picture of the source, a link that leads outside known as such before it is read."""
        return self.reader(self._file(file.path))

    def read(self, file: SourceFile, *, most: int = MAX_IMAGE_BYTES, what: str = "image") -> bytes:
        """The bytes of a file of the source. Raises `ImageError`, also for a link that leads outside."""
        if reason := self._outside(file.path, what=what):
            raise ImageError(reason, code="outside")
        return _read_file(file, most=most, what=what)

    def unnamed(self, is_named: Callable[[str], bool], tars: Set[int]) -> Iterator[Found]:
        """The pictures among the files, and in the tars of these numbers, that no row names: in a fixed order."""
        for path in self._tree.names:
            if is_picture(path) and not is_named(path):
                yield Found(path)
        for number in sorted(tars):
            for entry in self._members.of_tar(number):
                if not is_named(entry.path):
                    yield entry

    @cached_property
    def _files(self) -> NameIndex:
        return NameIndex(Found(path) for path in self._tree.names if is_picture(path) or "." not in path)

    @cached_property
    def _members(self) -> NameIndex:
        return NameIndex(
            Found(f"{tar.path}/{member}", member, number, start, size)
            for number, tar in enumerate(self._tars)
            for member, start, size in _images_in(tar)
        )

    def _find(self, name: str, beside: str, split: str) -> Found:
        for path in (f"{beside}/{name}", name):
            if path in self._tree:
                return self._file(path, name)
        spellings = self._spellings.of(name, beside)
        for path in (path for spelling in spellings for path in spelling if path):
            if path in self._tree:
                return self._file(path, name)
            if troubled := self._troubled(path, name):
                return troubled
        for index in ("_files", "_members"):
            for spelling in spellings:
                wanted = spelling.top or spelling.own
                if entries := getattr(self, index).fitting(wanted, spelling.own, split):
                    return self._one(entries, name)
        raise ImageError(self._absent(name, spellings[0]), code="no-image")

    def _one(self, entries: list[Found], name: str) -> Found:
        """The picture that fits, also where several are links to one file."""
        first, are_files = entries[0], all(entry.tar < 0 for entry in entries)
        if len(entries) > 1 and not (are_files and len({self._real(entry.path) for entry in entries}) == 1):
            places = " and ".join(map(_place, entries[:2]))
            what = f"expected one image {name!r} in the source, got {len(entries)}: {places}"
            raise ImageError(what, code="ambiguous-image")
        return self._file(first.path, name) if first.tar < 0 else first

    def _file(self, path: str, name: str = "") -> Found:
        """A file that is meant: known by its own path even where it cannot be read."""
        reason = self._outside(path, name)
        return Found(path, reason=reason, code="outside") if reason else Found(path)

    def _outside(self, path: str, name: str = "", what: str = "image") -> str:
        """Why a link that leads outside is not read, else "". Folders that are links are not in the listing."""
        folder = self._tree.folder
        is_link = isinstance(folder, LocalFolder) and folder.is_link(path)
        if not is_link or Path(self._real(path)).is_relative_to(self._real()):
            return ""
        reason = f"{name or path!r} is a link that leads outside: copy what it stands for (cp -RL)"
        return f"expected the {what} inside the source folder, but {reason}"

    def _real(self, path: str = "") -> str:
        folder = self._tree.folder
        return os.path.realpath(folder.path / path) if isinstance(folder, LocalFolder) else path

    def _troubled(self, path: str, name: str) -> Found | None:
        """Whether the file, or a folder that it lies in, is there but could not be listed."""
        start, troubles = "", self._tree.troubles
        for part in path.split("/") if troubles else ():
            start += part
            if trouble := troubles.get(start):
                what = f"expected the image {name!r} inside the source folder or its tars, but {start} {trouble.reason}"
                return Found(path, reason=what, code=trouble.code)
            start += "/"
        return None

    def _absent(self, name: str, spelling: Spelling) -> str:
        wanted = spelling.top or spelling.own
        near = self._files.nearest(wanted) or (self._members.nearest(wanted) if self._tars else "")
        reason = f"expected the image {name!r} inside the source folder or its tars, but it is not there"
        return f"{reason}; the nearest is {near}" if near else reason


def _place(entry: Found) -> str:
    return entry.path if entry.tar < 0 else f"{entry.path.removesuffix(f'/{entry.inner}')}:{entry.inner}"


def _read_file(file: SourceFile, *, most: int = MAX_IMAGE_BYTES, what: str = "image") -> bytes:
    """The file's bytes, unless it has more than `most` or cannot be read: then `ImageError`."""
    try:
        with file.open() as stream:
            data = stream.read(_USUAL)  # Python makes room for all that is asked for: that takes longer than reading
            if len(data) == _USUAL:
                data += stream.read(most + 1 - _USUAL)
    except StorageRefused as error:
        if not isinstance(file.folder, LocalFolder):  # a store that refuses one refuses all
            raise
        raise ImageError(f"the {what} {file.path!r} cannot be read: {error}", code="unreadable") from error
    except OSError as error:
        raise ImageError(f"the {what} {file.path!r} cannot be read: {error.strerror}", code="unreadable") from error
    if len(data) > most:
        raise ImageError(f"expected at most {most} bytes, but the {what} {file.path!r} has more", code="too-large")
    return data


def _images_in(tar: SourceFile) -> Iterator[tuple[str, int, int]]:
    """Name, place and number of bytes of all images in one tar, but for side files. Raises `SourceError`.

    Their bytes are skipped; where the store only streams, the tar is copied once.
    """
    with tar.seekable() as stream:
        for info in scan(stream, str(tar)):
            name = str(PurePosixPath(info.name))
            if info.isreg() and not info.issparse() and is_picture(name) and not is_side_file(name):
                yield name, info.offset_data, info.size


def _read_part(tar: SourceFile, found: Found) -> bytes:
    """The image's bytes. Raises `ImageError` if they are too many, or the tar ends before them."""
    member, size = found.inner, found.size
    if size > MAX_IMAGE_BYTES:
        raise ImageError(f"expected at most {MAX_IMAGE_BYTES} bytes, but {member!r} has {size}", code="too-large")
    data = tar.folder.read(tar.path, found.start, size)
    if len(data) != size:
        raise ImageError(f"expected {size} bytes of {member!r} in {tar.name}, got {len(data)}")
    return data
