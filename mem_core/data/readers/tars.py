"""Random access to images inside tar files: an index of offsets on disk, nothing unpacked."""

import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from mem_core.common.errors import ImageError, SourceError
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import repaired
from mem_core.data.tar_reader import MAX_IMAGE_BYTES, read_over


class TarMember(NamedTuple):
    """Where one image lies: the tar, the first byte of its data, its length."""

    tar: SourceFile
    member: str
    offset: int
    size: int


class TarIndex:
    """Image names -> places in tars. The index is a temporary SQLite file, so memory does not grow with it."""

    def __init__(self, tars: list[SourceFile]) -> None:
        self._tars = tars
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def find(self, name: str) -> TarMember | None:
        """The member of this name, or the only one whose last part is it. Raises `ImageError` if two fit."""
        if not self._tars:
            return None
        plain = str(PurePosixPath(name))
        found = self._query("member = ?", plain) or self._query("base = ?", plain)
        if len(found) > 1:
            places = " and ".join(f"{hit.tar.name}:{hit.member}" for hit in found[:2])
            raise ImageError(
                f"expected one image {name!r} in the tars, got {len(found)}: {places}", code="ambiguous-image"
            )
        return found[0] if found else None

    def members(self, tar: SourceFile) -> Iterator[TarMember]:
        """All images in one tar, in the tar's order."""
        last = -1
        while True:  # in pages: no cursor stays open while the caller works
            page = self._select("where tar = ? and offset > ? order by offset limit 1000", self._tars.index(tar), last)
            yield from page
            if not page:
                return
            last = page[-1].offset

    def _query(self, condition: str, value: str) -> list[TarMember]:
        return self._select(f"where {condition} limit 3", value)

    def _select(self, rest: str, *values: str | int) -> list[TarMember]:
        with self._lock:
            if self._database is None:
                self._database = self._build()
            rows = self._database.execute(f"select tar, member, offset, size from members {rest}", values).fetchall()
        return [TarMember(self._tars[tar], member, offset, size) for tar, member, offset, size in rows]

    def _build(self) -> sqlite3.Connection:
        database = sqlite3.connect("", check_same_thread=False)  # "": a private file that vanishes with it
        database.execute("create table members (tar int, member text, base text, offset int, size int)")
        for number, tar in enumerate(self._tars):
            database.executemany(
                "insert into members values (?, ?, ?, ?, ?)",
                ((number, m.member, PurePosixPath(m.member).name, m.offset, m.size) for m in _scan(tar)),
            )
        for column in ("member", "base", "tar"):
            database.execute(f"create index by_{column} on members ({column}{', offset' * (column == 'tar')})")
        return database


def _scan(file: SourceFile) -> Iterator[TarMember]:
    """All images of one tar. On a disk their bytes are skipped, from a store all of the tar is read once."""
    try:
        with file.open() as stream, _opened(stream) as tar:
            while (info := tar.next()) is not None:
                vars(tar)["members"] = []  # tarfile would keep every header
                name = str(PurePosixPath(info.name))
                is_image = PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES
                if info.isreg() and info.sparse is None and is_image and repaired(name)[1]:
                    yield TarMember(file, name, info.offset_data, info.size)
                if not stream.seekable() and not read_over(tar):
                    raise tarfile.ReadError(f"it ends inside {name!r}")
    except (tarfile.TarError, OSError) as error:
        raise SourceError(f"expected an uncompressed tar with images, but {file} cannot be read: {error}") from error


def _opened(stream: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r:" if stream.seekable() else "r|")


def read_member(place: TarMember) -> bytes:
    """The image's bytes. Raises `ImageError` if they are too many, or the tar ends before them."""
    if place.size > MAX_IMAGE_BYTES:
        raise ImageError(
            f"expected at most {MAX_IMAGE_BYTES} bytes, but {place.member!r} has {place.size}", code="too-large"
        )
    data = place.tar.folder.read(place.tar.path, place.offset, place.size)
    if len(data) != place.size:
        raise ImageError(f"expected {place.size} bytes of {place.member!r} in {place.tar.name}, got {len(data)}")
    return data
