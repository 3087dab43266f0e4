"""Which picture of a source a name means, where it is not written as the source writes it: an index on disk.

A name fits the paths that end with it, part by part; which of several is meant, docs/names.md says.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

from mem_core.common.reasons import Code
from mem_core.data.image_formats import IMAGE_SUFFIXES
from mem_core.data.readers.disk_table import DiskTable, as_key, as_text
from mem_core.data.readers.path_parts import folded, is_picture, without_suffix
from mem_core.data.readers.splits import split_in_name

_MOST = 100  # that are compared: a name that fits more pictures means none


class Found(NamedTuple):
    """Where a picture lies, or (with a reason) why it cannot be had. path: in the source, its own for each picture.
    Of one in a tar, inner: its path there; tar: the tar's number; start, size: of its bytes in the tar."""

    path: str
    inner: str = ""
    tar: int = -1
    start: int = 0
    size: int = 0
    reason: str = ""
    code: Code = "no-image"


class NameIndex:
    """Pictures by the ends of their paths, in a temporary SQLite file, so that memory does not grow with them."""

    def __init__(self, entries: Iterable[Found]) -> None:
        self._table = DiskTable(
            "ends blob", "suffix blob", "path blob", "inner blob", "tar int", "start int", "size int"
        )
        for entry in entries:
            stem, suffix = _halves(entry.path)
            texts = as_key(folded(suffix)), as_key(entry.path), as_key(entry.inner)
            self._table.add((_ends(stem), *texts, *entry[2:5]))
        self._table.index("ends")
        self._table.index("tar", "start")

    def fitting(self, name: str, own: str = "", split: str = "") -> list[Found]:
        """The entry that the name means, alone; several if nobody can tell which, none if there is none.

        own: the path that the name is if it is relative to the folder of the file that has it.
        """
        stem, suffix = _halves(name)
        found = (self._ending(stem, suffix) if suffix else []) or self._ending(name, None)
        if len(found) > _MOST or (len(found) == 1 and not split):
            return found
        scored = [(score, entry) for entry in found if (score := _distance(entry, name, own or name, split))]
        best = tuple(map(min, zip(*(score for score, _ in scored), strict=True)))
        nearest = [entry for score, entry in scored if score == best]
        return nearest if len(nearest) == 1 else [entry for _, entry in scored]

    def nearest(self, name: str) -> str:
        """The path of a picture whose name looks like this one and has the same numbers; "" if there is none."""
        base = name.rpartition("/")[2]
        stem, _ = _halves(base)
        if same := self._ending(stem, None):
            return same[0].path
        beside = [entry for entry in self._neighbours(stem) if _digits(entry.path) == _digits(base)]
        names = {folded(entry.path.rpartition("/")[2]): entry.path for entry in beside}
        return next((names[close] for close in get_close_matches(folded(base), names, 1, 0.75)), "")

    def of_tar(self, tar: int) -> Iterator[Found]:
        """All entries of one tar, in its order."""
        return self._select("tar = ? order by start", tar)

    def _ending(self, name: str, suffix: str | None) -> list[Found]:
        """Up to one more than are compared."""
        low = _ends(name)
        values: list[str | bytes | int] = [low, low[:-1] + b"0"]  # "0" is what comes after "/"
        if suffix is not None:
            values.append(as_key(folded(suffix)))
        same = "and suffix = ?" if suffix is not None else ""
        return list(self._select(f"ends >= ? and ends < ? {same} limit {_MOST + 1}", *values))

    def _neighbours(self, stem: str) -> list[Found]:
        key = _ends(stem)
        return [
            *self._select("ends < ? order by ends desc limit 3", key),
            *self._select("ends >= ? order by ends limit 3", key),
        ]

    def _select(self, where: str, *values: str | bytes | int) -> Iterator[Found]:
        for _, _, path, inner, *place in self._table.select(f"where {where}", *values):
            yield Found(as_text(path), as_text(inner), *place)


def _halves(path: str) -> tuple[str, str]:
    """The path without its suffix and that, if it is one of pictures."""
    stem = without_suffix(path) if is_picture(path) else path
    return stem, path[len(stem) :]


def _ends(path: str) -> bytes:
    """The parts of the path from the last to the first: all paths that end alike stand side by side."""
    return as_key("/".join(reversed(folded(path).split("/"))) + "/")


def _distance(entry: Found, name: str, own: str, split: str) -> tuple[int, int, int, int] | None:
    """How far it is from what is written: in letters, suffix, folder and split. None if it is of another split."""
    parts, written = entry.path.split("/"), name.split("/")
    tail, front = "/".join(parts[-len(written) :]), parts[: -len(written)]
    suffix = _halves(tail)[1] if folded(tail) != folded(name) else ""
    tail, inner = (text.removesuffix(suffix) for text in (tail, entry.inner or entry.path))
    lacks = 0 if not suffix else 1 if suffix.lower() in IMAGE_SUFFIXES else 2  # a camera's raw file beside its JPEG
    letters = 0 if tail == name else 1 if normalize("NFC", tail) == normalize("NFC", name) else 2
    whole = [folded(path) for path in (own, name, inner)]
    place = whole.index(whole[2])
    if place == 2 and not folded(entry.path).startswith(folded(own.removesuffix(name))):
        place = 3  # not even below the folder of the file that has the name
    said = _split_of(front, split)
    if split and said not in ("", split) and not _split_of(written[:-1], split):
        return None
    return letters, lacks, place, int(bool(front) and said != split)


def _split_of(folders: list[str], split: str) -> str:
    """The split that the nearest of the folders says."""
    said = (split if folder.lower() == split else split_in_name(folder) for folder in reversed(folders))
    return next(filter(None, said), "")


def _digits(text: str) -> list[str]:
    return re.findall(r"\d+", PurePosixPath(text).stem)
