"""Finds the images that captions name: files in the source folder or its near subfolders, or inside its tars.

Nothing outside the source folder is ever read: absolute paths, `..` and links that lead out are refused.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from mem_core.common.errors import ImageError, StorageRefused
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.tars import TarIndex, read_member
from mem_core.data.readers.text import repaired
from mem_core.data.tar_reader import MAX_IMAGE_BYTES

_MAX_FOLDERS = 64


class ImageFiles:
    """Images of a source. A name is looked for as written, then in up to 64 folders of two levels, then in tars."""

    def __init__(self, tree: SourceTree, *, search: bool = True) -> None:
        """`search=False`: only the path as written counts."""
        self._tree = tree
        self._folders = ["", *(_subfolders(tree) if search else [])]
        self._tars = TarIndex(tree.matching("*.tar") if search else [])
        self._used_folders: set[str] = set()
        self._used_tars: set[SourceFile] = set()

    def locate(self, name: str) -> Callable[[], bytes]:
        """A function that reads the named image. Raises `ImageError` when it is absent, outside or there twice."""
        relative = _safe(name)
        return self._as_file(name, relative) or self._in_tars(name, relative)

    def _as_file(self, name: str, relative: str) -> Callable[[], bytes] | None:
        for folders in (self._folders[:1], self._folders[1:]):
            candidates = (f"{folder}/{relative}" if folder else relative for folder in folders)
            hits = [candidate for candidate in candidates if candidate in self._tree]
            if len({self._inside(hit, name) for hit in hits}) > 1:
                places = " and ".join(hits[:2])
                raise ImageError(
                    f"expected one image {name!r} in the source, got {len(hits)}: {places}", code="ambiguous-image"
                )
            if hits:
                self._used_folders.add(hits[0].rpartition("/")[0])
                return partial(read_image_file, self._tree.file(hits[0]), name)
        return None

    def _in_tars(self, name: str, relative: str) -> Callable[[], bytes]:
        member = self._tars.find(relative)
        if member is None:
            raise ImageError(
                f"expected the image {name!r} inside the source folder or its tars, but it is not there",
                code="no-image",
            )
        self._used_tars.add(member.tar)
        return partial(read_member, member)

    def uncaptioned(self, is_named: Callable[[str], bool]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Images beside the located ones that no caption names, as (name, reader), in a fixed order."""
        for folder in sorted(self._used_folders):
            for file in self._tree.inside(folder):
                if file.suffix in PICTURE_SUFFIXES and not any(is_named(alias) for alias in self._aliases(file.path)):
                    yield repaired(file.path)[0], partial(self.read, file)
        for tar in sorted(self._used_tars, key=lambda tar: tar.path):
            for member in self._tars.members(tar):
                if not (is_named(member.member) or is_named(PurePosixPath(member.member).name)):
                    yield f"{tar.name}/{member.member}", partial(read_member, member)

    def _aliases(self, name: str) -> Iterator[str]:
        """All the ways in which a caption may have named this file."""
        for folder in self._folders:
            if not folder:
                yield name
            elif name.startswith(folder + "/"):
                yield name[len(folder) + 1 :]

    def read(self, file: SourceFile) -> bytes:
        """The bytes of a file of the source. Raises `ImageError`, also for a link that leads outside."""
        self._inside(file.path, file.path)
        return read_image_file(file, file.path)

    def _inside(self, path: str, name: str) -> str:
        """Where the file really lies: on a disk it may be a link, and one that leads out is refused."""
        folder = self._tree.folder
        if not isinstance(folder, LocalFolder):
            return path
        root, real = os.path.realpath(folder.path), os.path.realpath(folder.path / path)
        if not Path(real).is_relative_to(root):
            raise ImageError(
                f"expected an image inside the source folder, but {name!r} is a link that leads outside", code="outside"
            )
        return real


def plain(name: str) -> str:
    """The name as a path with single slashes and without `.` parts."""
    return str(PurePosixPath(name.strip().replace("\\", "/")))


def _safe(name: str) -> str:
    """The name as a relative path. Raises `ImageError` for one that is none, or leads out."""
    path = PurePosixPath(plain(name))
    drive = len(path.parts) > 0 and path.parts[0].endswith(":")
    if not path.parts or "\0" in name:
        raise ImageError(f"expected the relative path of an image, got {name[:200]!r}", code="no-image")
    if path.is_absolute() or drive or ".." in path.parts:
        raise ImageError(f"expected a path inside the source folder, got {name[:200]!r}", code="outside")
    if len(name) > 4096 or any(len(os.fsencode(part)) > 255 for part in path.parts):
        raise ImageError(
            f"expected the relative path of an image, got {len(name)} characters: {name[:80]!r}...", code="no-image"
        )
    return str(path)


def _subfolders(tree: SourceTree) -> list[str]:
    first = tree.folders()
    return [*first, *(below for folder in first for below in tree.folders(folder))][:_MAX_FOLDERS]


def read_image_file(file: SourceFile, name: str, *, most: int = MAX_IMAGE_BYTES, what: str = "image") -> bytes:
    """The file's bytes, unless it has more than `most` or cannot be read: then `ImageError`."""
    try:
        with file.open() as stream:
            data = stream.read(most + 1)
    except StorageRefused as error:
        if not isinstance(file.folder, LocalFolder):  # a store that refuses one refuses all
            raise
        raise ImageError(f"the {what} {name!r} cannot be read: {error}", code="unreadable") from error
    except OSError as error:
        raise ImageError(f"the {what} {name!r} cannot be read: {error.strerror}", code="unreadable") from error
    if len(data) > most:
        raise ImageError(f"expected at most {most} bytes, but the {what} {name!r} has more", code="too-large")
    return data
