"""Where each sample of a corpus lies in an exported folder: under the name that it had in its source."""

import re
from collections.abc import Iterator
from posixpath import normpath

from mem_core.common.errors import SampleError
from mem_core.data.readers.disk_table import DiskTable, as_key
from mem_core.data.readers.path_parts import folded, is_picture, without_suffix

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST, _MOST_OF_PART = 900, 200  # bytes of UTF-8: a store's key holds 1,024, a file's name 255, both with what is added
BESIDE = (".txt", ".json")
"""What an export writes beside a picture, under the same name."""


class Places:
    """The places of an export's samples, in the order of the corpus: a sample gets the first that is free.

    `holiday/a.png` for `holiday/a.jpg`, else `holiday/a.jpg.png`, else the same with the sample's key. Names that
    differ in case or Unicode form alone are one name, as they are on some disks. What came first keeps its place when
    the corpus grows. Memory does not grow with the corpus.
    """

    def __init__(self) -> None:
        self._files = DiskTable("path blob")
        self._folders = DiskTable("path blob")
        self._files.index("path")
        self._folders.index("path")
        self._last_folder = ""

    def place(self, name: str, shard: str, key: str, extension: str) -> str:
        """The path of the picture without its extension. name: what the source called it, "" if that is not known.

        Raises `SampleError` for a name that could lead out of the folder, or that is a folder's.
        """
        named = _plain(name) if name else f"{shard}/{key}"
        unique = key if key.startswith(shard) else f"{shard}-{key}"
        short = without_suffix(named) if is_picture(named) else named
        for stem in dict.fromkeys((short, named, f"{named}.{unique}")):
            taken = [f"{stem}.{extension}", *(f"{stem}{suffix}" for suffix in BESIDE)]
            if not any(self._is_taken(path) for path in taken):
                if folder := next((above for above in _above(stem) if _key(above) in self._files), ""):
                    raise SampleError(f"expected a folder at {folder}, but a picture or caption of that name is there")
                self._keep(stem, taken)
                return stem
        raise SampleError(f"expected a free name for {named}, but another picture has each that it may have")

    def _is_taken(self, path: str) -> bool:
        key = _key(path)
        return key in self._files or key in self._folders

    def _keep(self, stem: str, paths: list[str]) -> None:
        for path in paths:
            self._files.add((_key(path),))
        folder = stem.rpartition("/")[0]
        if folder != self._last_folder:
            self._last_folder = folder
            for above in _above(stem):
                if _key(above) not in self._folders:
                    self._folders.add((_key(above),))


def _plain(name: str) -> str:
    """The name as a relative path. Raises `SampleError` where it could lead out of the folder, on any system."""
    parts = re.split(r"[/\\]", name)
    if _CONTROL.search(name) or not parts[0] or parts[0].endswith(":") or ".." in parts:
        raise SampleError(f"expected a name inside the folder, got {name[:200]!r}", code="outside")
    path = normpath(name)
    if path == "." or path.startswith(("/", ".partial-")) or "/.partial-" in path:
        raise SampleError(f"expected the name of a picture, got {name[:200]!r}", code="outside")
    if len(path.encode()) > _MOST or any(len(part.encode()) > _MOST_OF_PART for part in path.split("/")):
        raise SampleError(f"expected a shorter name, got {len(path)} characters: {path[:80]!r}...", code="outside")
    return path


def _above(path: str) -> Iterator[str]:
    """All folders around a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def _key(path: str) -> bytes:
    return as_key(folded(path))
