"""Pictures and texts of one tar, put together by name wherever in the tar they stand.

The headers are read once into a temporary SQLite file, so memory does not grow with the tar; what they stand for is
read when it is asked for.
"""

import posixpath
import sqlite3
import tarfile
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO, NamedTuple

from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.path_parts import TEXT_SUFFIXES
from mem_core.data.side_files import is_side_file
from mem_core.data.tar_reader import scan, shown

TEXTS = tuple(suffix.removeprefix(".") for suffix in TEXT_SUFFIXES)
_PICTURES = frozenset(suffix.removeprefix(".") for suffix in PICTURE_SUFFIXES)
_MOST_DOTS = 16  # of a name that are looked at when the sample is sought that it is a further member of
_TABLE = """
    create table members
    (n integer primary key, name text, stem text, key text, ending text, picture int, offset int, size int)
"""


class Member(NamedTuple):
    """A picture or text. name: as in the tar; stem: without its ending; key: the stem as NFC; size: -1 for what is no
    plain file. Bytes of names that are no UTF-8 are written as `backslashreplace` writes them."""

    name: str
    stem: str
    key: str
    ending: str
    picture: bool
    offset: int
    size: int


class TarMembers:
    """The members of a tar that can be read back and forth. side_files: hidden ones that look like pictures.

    Raises `SourceError` if the tar as a whole cannot be trusted.
    """

    def __init__(self, stream: BinaryIO, place: str) -> None:
        self.side_files: list[str] = []
        self._stream = stream
        self._database = sqlite3.connect("")  # "": a private file that vanishes with it
        self._database.executescript(f"pragma journal_mode = off; {_TABLE};")
        self._runs, self._last = 0, ""  # how often the key changes from a member to the next
        rows = filter(None, map(self._row, scan(stream, place)))
        self._database.executemany("insert into members values (null, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._database.execute("create index by_key on members (key)")

    def close(self) -> None:
        """Removes the temporary file."""
        self._database.close()

    @property
    def pictures(self) -> int:
        """How many there are."""
        ((count,),) = self._database.execute("select count(*) from members where picture")
        return int(count)

    def read(self, member: Member) -> bytes:
        """What the member holds."""
        self._stream.seek(member.offset)
        return self._stream.read(member.size)

    def groups(self) -> Iterator[list[Member]]:
        """Members of one key, in the order of the tar; keys in the order of their first members."""
        ((keys,),) = self._database.execute("select count(distinct key) from members")
        if keys == self._runs:  # mostly: all members of each key stand together
            rows = self._select("order by n")
        else:
            first = "(select key as its, min(n) as first from members group by key)"
            rows = self._select(f"join {first} on key = its order by first, n")
        for _, group in groupby(rows, lambda member: member.key):
            yield list(group)

    def texts_of(self, picture: Member) -> list[Member]:
        """Texts with the picture's whole name, as `a.jpg.txt`."""
        whole = picture.key + picture.name[-len(picture.ending) - 1 :]
        return list(self._select("where key = ? and not picture group by ending order by n", whole))

    def has_whole_name(self, key: str) -> bool:
        """Whether it is the whole name of a picture without other texts, so that `texts_of` gives those of the key."""
        base, _, ending = key.rpartition(".")
        if ending.lower() not in _PICTURES:
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
            query = "select max(picture), min(picture) from members where key = ?"
            ((has_picture, all_pictures),) = self._database.execute(query, (found,))
            if all_pictures == 0:
                return found, bool(has_picture)
        return None

    def further(self, key: str) -> Iterator[Member]:
        """Pictures whose owner is this key and that have no text of their own."""
        alone = "not exists (select 1 from members as other where other.key = members.key and not other.picture)"
        for member in self._select(
            f"where key > ? and key < ? and picture and {alone} order by n", key + ".", key + "/"
        ):
            owner = self.owner(member.key)
            if owner is not None and owner[0] == key:
                yield member

    def _select(self, rest: str, *values: str) -> Iterator[Member]:
        columns = ", ".join(Member._fields)
        return map(Member._make, self._database.execute(f"select {columns} from members {rest}", values))

    def _row(self, info: tarfile.TarInfo) -> Member | None:
        """None for what is neither picture nor text. Only the last part of a path has an ending."""
        name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        path = name.lstrip("/")
        if "//" in path or "./" in path:
            path = posixpath.normpath(path)
        stem, dot, ending = path.rpartition(".")
        ending = ending.lower()
        picture = ending in _PICTURES
        if not dot or info.isdir() or not (picture or ending in TEXTS):
            return None
        if is_side_file(path.removeprefix("../")):
            self.side_files += [shown(name)] if picture else []
            return None
        key = stem if stem.isascii() else unicodedata.normalize("NFC", stem)
        self._runs, self._last = self._runs + (key != self._last), key
        size = info.size if info.isreg() and not info.issparse() else -1
        return Member(name, stem, key, ending, picture, info.offset_data, size)


def blocks(members: Iterable[Member]) -> list[list[list[Member]]]:
    """Members of one key cut where an ending comes again: a sample that stands there twice. One list of blocks for each
    spelling of the name where several have pictures."""
    members = list(members)
    if len({member.ending for member in members}) == len(members):  # mostly
        return [[members]]
    spellings = dict.fromkeys(member.stem for member in members)
    if len(spellings) > 1 and sum(member.picture for member in members) > 1:
        apart = [[member for member in members if member.stem == stem] for stem in spellings]
    else:
        apart = [members]
    found = []
    for one in apart:
        cut: list[list[Member]] = [[]]
        for member in one:
            if any(member.ending == other.ending for other in cut[-1]):
                cut.append([])
            cut[-1].append(member)
        found.append(cut)
    return found
