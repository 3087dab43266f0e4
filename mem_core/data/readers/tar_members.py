"""Pictures and texts of one tar, put together by name wherever in the tar they stand.

The headers are read once into a temporary SQLite file, so memory does not grow with the tar; what they stand for is
read when it is asked for.
"""

import posixpath
import tarfile
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.disk_table import DiskTable
from mem_core.data.readers.path_parts import TEXT_SUFFIXES
from mem_core.data.side_files import is_side_file
from mem_core.data.tar_reader import scan

_MOST_DOTS = 16  # of a name that are looked at when the sample is sought that it is a further member of


class Member(NamedTuple):
    """A picture or text. name: as in the tar; stem: without its suffix; key: the stem as NFC; size: -1 for what is no
    plain file. Bytes of names that are no UTF-8 are written as `backslashreplace` writes them."""

    key: str
    name: str
    stem: str
    suffix: str
    picture: bool
    offset: int
    size: int


class TarMembers:
    """The members of a tar that can be read back and forth. side_files: hidden ones that look like pictures.

    Raises `SourceError` if the tar as a whole cannot be trusted.
    """

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self.side_files: list[Member] = []
        self._stream = stream
        kinds = dict.fromkeys(("picture", "offset", "size"), "integer")
        self._rows = DiskTable(*(f"{name} {kinds.get(name, 'text')}" for name in Member._fields))
        for member in filter(None, map(self._member, scan(stream, place))):
            self._rows.add(member)
        self._rows.index("key")

    @property
    def pictures(self) -> int:
        """How many there are."""
        return int(self._rows.value("count(*)", "where picture"))

    def read(self, member: Member) -> bytes:
        """What the member holds."""
        self._stream.seek(member.offset)
        return self._stream.read(member.size)

    def groups(self) -> Iterator[list[Member]]:
        """Members of one key, in the order of the tar; keys in the order of their first members."""
        return (list(map(Member._make, group)) for group in self._rows.groups())

    def texts_of(self, picture: Member) -> list[Member]:
        """Texts with the picture's whole name, as `a.jpg.txt`."""
        whole = picture.key + picture.name[-len(picture.suffix) :]
        return list(self._select("where key = ? and not picture group by suffix order by n", whole))

    def has_whole_name(self, key: str) -> bool:
        """Whether it is the whole name of a picture without other texts, so that `texts_of` gives those of the key."""
        base, _, ending = key.rpartition(".")
        if f".{ending.lower()}" not in PICTURE_SUFFIXES:
            return False
        of_base = list(self._select("where key = ?", base))
        return all(one.picture for one in of_base) and any(one.name.endswith(f".{ending}") for one in of_base)

    def owner(self, key: str) -> tuple[str, bool] | None:
        """The key of the sample that pictures `key` are further members of: the longest part of the name up to a dot
        that has a text, and whether it has a picture, too. None if there is no such sample."""
        folder, slash, base = key.rpartition("/")
        for _ in range(_MOST_DOTS):
            base, _, _ = base.rpartition(".")
            if not base:
                return None
            found = f"{folder}{slash}{base}"
            kinds = {member.picture for member in self._select("where key = ?", found)}
            if 0 in kinds:
                return found, 1 in kinds
        return None

    def further(self, key: str) -> Iterator[Member]:
        """Pictures whose owner is this key and that have no text of their own."""
        alone = "not exists (select 1 from entries as other where other.key = entries.key and not other.picture)"
        longer = f"where key > ? and key < ? and picture and {alone} order by n"
        for member in self._select(longer, key + ".", key + "/"):
            owner = self.owner(member.key)
            if owner is not None and owner[0] == key:
                yield member

    def _select(self, rest: str, *values: str) -> Iterator[Member]:
        return map(Member._make, self._rows.select(rest, *values))

    def _member(self, info: tarfile.TarInfo) -> Member | None:
        """None for what is neither picture nor text. Only the last part of a path has a suffix."""
        name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        path = name.lstrip("/")
        if "//" in path or "./" in path:
            path = posixpath.normpath(path)
        stem, dot, ending = path.rpartition(".")
        suffix = f".{ending.lower()}"
        picture = suffix in PICTURE_SUFFIXES
        if not dot or info.isdir() or not (picture or suffix in TEXT_SUFFIXES):
            return None
        key = stem if stem.isascii() else unicodedata.normalize("NFC", stem)
        size = info.size if info.isreg() and not info.issparse() else -1
        member = Member(key, name, stem, suffix, picture, info.offset_data, size)
        if not is_side_file(path.removeprefix("../")):
            return member
        self.side_files += [member] if picture else []
        return None


def blocks(members: list[Member]) -> list[list[list[Member]]]:
    """Members of one key cut where a suffix comes again: a sample that stands there twice. One list of blocks for each
    spelling of the name where several have pictures."""
    if len({member.suffix for member in members}) == len(members):  # mostly
        return [[members]]
    apart = [members]
    spellings = dict.fromkeys(member.stem for member in members)
    if len(spellings) > 1 and sum(member.picture for member in members) > 1:
        apart = [[member for member in members if member.stem == stem] for stem in spellings]
    return list(map(_cut, apart))


def _cut(members: list[Member]) -> list[list[Member]]:
    found: list[list[Member]] = [[]]
    for member in members:
        if any(member.suffix == other.suffix for other in found[-1]):
            found.append([])
        found[-1].append(member)
    return found
