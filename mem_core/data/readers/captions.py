"""Groups caption rows by image, whatever their order, in memory that does not grow with the source.

The rows go to a temporary SQLite file; images come back in the order in which they first appeared.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mem_core.common.reasons import Code
from mem_core.data.readers.base import LeftOut
from mem_core.data.readers.files import Found
from mem_core.data.readers.splits import split_of_folder, split_word
from mem_core.data.readers.text import repaired
from mem_core.data.texts import has_words


@dataclass(frozen=True)
class Row:
    """One line of a caption file: an image named by a path, and a caption of it (None: the line has none).

    file_split: that of the file's name or folder, for an image whose rows have no `split`.
    place: the file and line, for messages. problem, code: why the row cannot be used, and how that is counted: it is
    left out where the image has captions in other rows, else the image fails by it.
    """

    image: str
    caption: str | None
    split: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    code: Code = "bad-entry"
    place: str = ""
    file_split: str = ""


@dataclass(frozen=True)
class Grouped:
    """All rows of one image."""

    name: str
    found: Found
    captions: tuple[str, ...]
    places: tuple[str, ...]
    split: str
    metadata: dict[str, Any]
    problem: str
    code: Code
    left_out: Sequence[LeftOut]


class Said(NamedTuple):
    """A caption, or why it is none."""

    text: str
    place: str = ""
    problem: str = ""
    code: Code = "bad-entry"


def settled(image: str, said: Iterable[Said]) -> tuple[list[Said], Said, list[LeftOut]]:
    """An image's captions, each once; if it has none that can be used, why; and what is left out."""
    good: list[Said] = []
    wrong: list[Said] = []
    left_out = []
    places: dict[str, str] = {}
    for one in said:
        if one.problem:
            wrong.append(one)
        elif one.text in places and has_words(one.text):
            reason = f"{one.place}: expected another caption of {image!r} than that of {places[one.text]}"
            left_out.append(LeftOut(image, "caption", "duplicate", reason))
        else:
            places[one.text] = one.place
            good.append(one)
    problem = wrong.pop(0) if wrong and not good else Said("")
    left_out += [LeftOut(image, "caption", one.code, one.problem) for one in wrong]
    return good, problem, left_out


class CaptionTable:
    """Rows grouped by image on disk. Names of the same file, as `./a.jpg` and `a.jpg`, are one image.

    Captions of an image that say the same are one: the others are left out.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # "": a private file that vanishes with the connection
        self._database.executescript(
            "create table images (id integer primary key, name text, path blob unique, found text, split text, "
            "metadata text, problem text, code text, file_split text);"
            "create table captions (image integer, caption text, place text, problem text, code text);"
        )
        self.has_folder_splits = False
        """Whether the folders of any image say a split."""
        self.tars: set[int] = set()
        """The numbers of the tars in which images lie."""

    def add(self, row: Row, found: Found) -> None:
        """Takes one row, and the image that its name means; contradictions and a broken name become its problem."""
        name, is_text = repaired(row.image)
        problem, code = "", row.code
        if found.reason and not is_text:
            problem = f"{row.place}: expected text as the name of an image, got {name!r}"
            code = "bad-encoding"
        try:
            split = split_word(repaired(row.split)[0])
        except ValueError as error:
            split, problem, code = "", problem or str(error), code if problem else "split-conflict"
        self.has_folder_splits = self.has_folder_splits or bool(split_of_folder(found.path))
        if found.tar >= 0:
            self.tars.add(found.tar)
        image = self._image(replace(row, image=name, split=split, problem=problem, code=code), found)
        if row.caption is not None or row.problem:
            caption, is_text = repaired(row.caption or "")
            place = repaired(row.place)[0]  # the name of a file need not be text
            told = (repaired(row.problem)[0], row.code)
            if not is_text and not row.problem:
                told = (f"{place}: expected text in a caption of {name!r}, got other bytes", "bad-encoding")
            self._database.execute("insert into captions values (?, ?, ?, ?, ?)", (image, caption, place, *told))

    def _image(self, row: Row, found: Found) -> int:
        """The number of the row's image, which is added or takes what the row says of its split and problem."""
        run, path, names = self._database.execute, _key(found.path), "split, problem, code, file_split"
        known = run(f"select id, {names} from images where path = ?", (path,)).fetchone()
        if known is None:
            texts = (row.image, path, json.dumps(found), json.dumps(row.metadata))
            values = (*texts, row.split, row.problem, row.code, row.file_split)
            added = run(f"insert into images (name, path, found, metadata, {names}) values ({'?, ' * 7}?)", values)
            return int(added.lastrowid or 0)
        image, split, problem, code, file_split = known
        one, other = (split, row.split) if split and row.split else (split or file_split, row.split or row.file_split)
        if not problem and row.problem:
            problem, code = row.problem, row.code
        elif not problem and one and other and one != other and bool(split) == bool(row.split):
            problem = f"expected one split, but the image {row.image!r} is in {one} and in {other}"
            code = "split-conflict"
        now = (split or row.split, problem, code, file_split or row.file_split)
        if now != known[1:]:
            run("update images set split = ?, problem = ?, code = ?, file_split = ? where id = ?", (*now, image))
        return int(image)

    def has(self, path: str) -> bool:
        """Whether a row named the image of this path."""
        return bool(self._database.execute("select 1 from images where path = ?", (_key(path),)).fetchone())

    def has_splits(self) -> bool:
        """Whether any row named a split of its own, not that of its file."""
        return bool(self._database.execute("select 1 from images where split != '' limit 1").fetchone())

    def grouped(self) -> Iterator[Grouped]:
        """The images in the order in which they first appeared."""
        run = self._database.execute
        run("create index if not exists by_image on captions (image)")
        images = run("select id, name, found, split, file_split, metadata, problem, code from images order by id")
        for image, name, place, split, file_split, metadata, problem, code in images:
            said = run("select caption, place, problem, code from captions where image = ? order by rowid", (image,))
            good, wrong, left_out = settled(name, map(Said._make, said.fetchall()))
            captions, places = tuple(one.text for one in good), tuple(one.place for one in good)
            if not problem:
                problem, code = wrong.problem, wrong.code
            found, metadata = Found(*json.loads(place)), json.loads(metadata)
            yield Grouped(name, found, captions, places, split or file_split, metadata, problem, code, left_out)

    def close(self) -> None:
        """Removes the temporary file."""
        self._database.close()


def _key(path: str) -> bytes:
    """A file's name may have bytes that are no text."""
    return path.encode("utf-8", "surrogatepass")
