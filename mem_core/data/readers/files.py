"""Finds the images that captions name: files in the source folder or its near subfolders, or inside its tars.

Nothing outside the source folder is ever read: absolute paths, `..` and links that lead out are refused.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from mem_core.data.readers.base import IMAGE_SUFFIXES
from mem_core.data.readers.tars import TarIndex, TarMember, read_member
from mem_core.data.readers.text import repaired
from mem_core.errors import ImageError

MAX_IMAGE_BYTES = 512 * 1024 * 1024
_MAX_FOLDERS = 64


class ImageFiles:
    """Images below `root`. A name is looked for as written, then in up to 64 subfolders of two levels, then in tars."""

    def __init__(self, root: Path, *, search: bool = True) -> None:
        """`search=False`: only the path as written counts."""
        self.root = root
        self._real = Path(os.path.realpath(root))
        self._folders = ["", *(_subfolders(root) if search else [])]
        self._tars = TarIndex(sorted(path for path in root.glob("*.tar") if path.is_file()) if search else [])
        self._used_folders: set[str] = set()
        self._used_tars: set[Path] = set()

    def locate(self, name: str) -> Callable[[], bytes]:
        """A function that reads the named image. Raises `ImageError` when it is absent, outside or there twice."""
        relative = _safe(name)
        try:
            return self._on_disk(name, relative) or self._in_tars(name, relative)
        except OSError as error:  # no permission, a path too long for the system
            raise ImageError(f"the image {name[:200]!r} cannot be read: {error.strerror}") from error

    def _on_disk(self, name: str, relative: str) -> Callable[[], bytes] | None:
        for folders in (self._folders[:1], self._folders[1:]):
            hits = [hit for folder in folders if (hit := self.root / folder / relative).is_file()]
            if len({self._inside(hit, name) for hit in hits}) > 1:
                places = " and ".join(str(hit.relative_to(self.root)) for hit in hits[:2])
                raise ImageError(f"expected one image {name!r} in the source, got {len(hits)}: {places}")
            if hits:
                self._used_folders.add(hits[0].parent.relative_to(self.root).as_posix())
                return partial(read_image_file, hits[0], name)
        return None

    def _in_tars(self, name: str, relative: str) -> Callable[[], bytes]:
        member = self._tars.find(relative)
        if member is None:
            raise ImageError(f"expected the image {name!r} in the source folder or its tars, but it is not there")
        self._used_tars.add(member.tar)
        return partial(_read_tar, member)

    def uncaptioned(self, is_named: Callable[[str], bool]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Images beside the located ones that no caption names, as (name, reader), in a fixed order."""
        for folder in sorted(self._used_folders):
            for path in sorted(entry for entry in (self.root / folder).iterdir() if _is_image(entry)):
                name = path.relative_to(self.root).as_posix()
                if not any(is_named(alias) for alias in self._aliases(name)):
                    yield repaired(name)[0], partial(self._read_checked, path, name)
        for tar in sorted(self._used_tars):
            for member in self._tars.members(tar):
                if not (is_named(member.member) or is_named(PurePosixPath(member.member).name)):
                    yield f"{tar.name}/{member.member}", partial(_read_tar, member)

    def _aliases(self, name: str) -> Iterator[str]:
        """All the ways in which a caption may have named this file."""
        for folder in self._folders:
            if not folder:
                yield name
            elif name.startswith(folder + "/"):
                yield name[len(folder) + 1 :]

    def _read_checked(self, path: Path, name: str) -> bytes:
        self._inside(path, name)
        return read_image_file(path, name)

    def _inside(self, path: Path, name: str) -> Path:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self._real):
            raise ImageError(f"expected an image inside the source folder, but {name!r} is a link that leads outside")
        return real


def _safe(name: str) -> str:
    """The name as a relative path with single slashes."""
    path = PurePosixPath(name.strip().replace("\\", "/"))
    drive = len(path.parts) > 0 and path.parts[0].endswith(":")
    if not path.parts or "\0" in name:
        raise ImageError(f"expected the relative path of an image, got {name[:200]!r}")
    if path.is_absolute() or drive or ".." in path.parts:
        raise ImageError(f"expected a path inside the source folder, got {name[:200]!r}")
    if len(name) > 4096 or any(len(os.fsencode(part)) > 255 for part in path.parts):
        raise ImageError(f"expected the relative path of an image, got {len(name)} characters: {name[:80]!r}...")
    return str(path)


def _subfolders(root: Path) -> list[str]:
    found: list[str] = []
    for pattern in ("*/", "*/*/"):
        found += sorted(p.relative_to(root).as_posix() for p in root.glob(pattern) if not p.name.startswith("."))
    return found[:_MAX_FOLDERS]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def read_image_file(path: Path, name: str) -> bytes:
    """The file's bytes, unless it is too large or cannot be read: then `ImageError`."""
    try:
        size = path.stat().st_size
        if size > MAX_IMAGE_BYTES:
            raise ImageError(f"expected at most {MAX_IMAGE_BYTES} bytes, but the image {name!r} has {size}")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"the image {name!r} cannot be read: {error.strerror}") from error


def _read_tar(member: TarMember) -> bytes:
    if member.size > MAX_IMAGE_BYTES:
        raise ImageError(f"expected at most {MAX_IMAGE_BYTES} bytes, but {member.member!r} has {member.size}")
    return read_member(member)
