"""Groups caption rows by image, whatever their order, in memory that does not grow with the source.

The rows go to a temporary SQLite file; images come back in the order in which they first appeared.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mem_core.common.reasons import Code
from mem_core.data.readers.base import split_word
from mem_core.data.readers.files import plain
from mem_core.data.readers.text import repaired


@dataclass(frozen=True)
class Row:
    """One line of a caption file: an image named by a path, and a caption of it (None: the line has none).

    place: the file and line, for messages. problem, code: why the image cannot be used, and how that is counted.
    """

    image: str
    caption: str | None
    split: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    code: Code = "bad-entry"
    place: str = ""


@dataclass(frozen=True)
class Grouped:
    """All rows of one image."""

    name: str
    captions: tuple[str, ...]
    places: tuple[str, ...]
    split: str
    metadata: dict[str, Any]
    problem: str
    code: Code


class CaptionTable:
    """Rows grouped by image on disk. Paths that name the same file, as `./a.jpg` and `a.jpg`, are one image."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # "": a private file that vanishes with the connection
        self._database.executescript(
            "create table images (id integer primary key, name text, path text unique, split text, metadata text, "
            "problem text, code text);"
            "create table captions (image integer, caption text, place text);"
        )

    def add(self, row: Row) -> None:
        """Takes one row; contradictions and broken text become the image's problem."""
        name, name_valid = repaired(row.image)
        caption, caption_valid = repaired(row.caption or "")
        problem, code = row.problem, row.code
        if not (name_valid and caption_valid) and not problem:
            problem, code = f"expected UTF-8, but a line for the image {name!r} has other bytes", "bad-encoding"
        try:
            split = split_word(repaired(row.split)[0])
        except ValueError as error:
            split = ""
            if not problem:
                problem, code = str(error), "split-conflict"
        image = self._image(name, split, row.metadata, problem, code)
        if row.caption is not None:
            self._database.execute("insert into captions values (?, ?, ?)", (image, caption, row.place))

    def _image(self, name: str, split: str, metadata: dict[str, Any], problem: str, code: Code) -> int:
        run = self._database.execute
        known = run("select id, split, problem, code from images where path = ?", (plain(name),)).fetchone()
        if known is None:
            columns = "name, path, split, metadata, problem, code"
            values = (name, plain(name), split, json.dumps(metadata), problem, code)
            added = run(f"insert into images ({columns}) values (?, ?, ?, ?, ?, ?)", values)
            return int(added.lastrowid or 0)
        image, known_split, known_problem, known_code = known
        if split and known_split and split != known_split and not problem:
            problem = f"expected one split, but the image {name!r} is in {known_split} and in {split}"
            code = "split-conflict"
        if (split and not known_split) or (problem and not known_problem):
            now = (known_split or split, known_problem or problem, known_code if known_problem else code, image)
            run("update images set split = ?, problem = ?, code = ? where id = ?", now)
        return int(image)

    def has(self, name: str) -> bool:
        """Whether a row named this image."""
        return bool(self._database.execute("select 1 from images where path = ?", (plain(name),)).fetchone())

    def has_splits(self) -> bool:
        """Whether any row named a split."""
        return bool(self._database.execute("select 1 from images where split != '' limit 1").fetchone())

    def grouped(self) -> Iterator[Grouped]:
        """The images in the order in which they first appeared."""
        run = self._database.execute
        run("create index if not exists by_image on captions (image)")
        images = run("select id, name, split, metadata, problem, code from images order by id")
        for image, name, split, metadata, problem, code in images:
            found = run("select caption, place from captions where image = ? order by rowid", (image,)).fetchall()
            captions, places = tuple(text for text, _ in found), tuple(place for _, place in found)
            yield Grouped(name, captions, places, split, json.loads(metadata), problem, code)

    def close(self) -> None:
        """Removes the temporary file."""
        self._database.close()
