"""Groups caption rows by image, whatever their order, in memory that does not grow with the source.

The rows go to a temporary SQLite file; images come back in the order in which they first appeared.
"""

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from mem_core.common.errors import ImageError, SourceError
from mem_core.data.readers.base import UNLISTED, RawSample, no_image, split_word
from mem_core.data.readers.files import ImageFiles, plain
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.text import repaired


@dataclass(frozen=True)
class Row:
    """One line of a caption file: an image named by a path, and a caption of it (None: the line has none)."""

    image: str
    caption: str | None
    split: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


class CaptionTable:
    """Rows grouped by image on disk. Paths that name the same file, as `./a.jpg` and `a.jpg`, are one image."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # "": a private file that vanishes with the connection
        self._database.executescript(
            "create table images (id integer primary key, name text, path text unique, split text, metadata text, "
            "problem text);"
            "create table captions (image integer, caption text);"
        )

    def add(self, row: Row) -> None:
        """Takes one row; contradictions and broken text become the image's problem."""
        name, name_valid = repaired(row.image)
        caption, caption_valid = repaired(row.caption or "")
        problem = row.problem
        if not (name_valid and caption_valid):
            problem = problem or f"expected UTF-8, but a line for the image {name!r} has other bytes"
        try:
            split = split_word(repaired(row.split)[0])
        except ValueError as error:
            split, problem = "", problem or str(error)
        image = self._image(name, split, row.metadata, problem)
        if row.caption is not None:
            self._database.execute("insert into captions values (?, ?)", (image, caption))

    def _image(self, name: str, split: str, metadata: dict[str, Any], problem: str) -> int:
        run = self._database.execute
        known = run("select id, split, problem from images where path = ?", (plain(name),)).fetchone()
        if known is None:
            values = (name, plain(name), split, json.dumps(metadata), problem)
            added = run("insert into images (name, path, split, metadata, problem) values (?, ?, ?, ?, ?)", values)
            return int(added.lastrowid or 0)
        image, known_split, known_problem = known
        if split and known_split and split != known_split:
            problem = problem or f"expected one split, but the image {name!r} is in {known_split} and in {split}"
        if (split and not known_split) or (problem and not known_problem):
            values_now = (known_split or split, known_problem or problem, image)
            run("update images set split = ?, problem = ? where id = ?", values_now)
        return int(image)

    def has(self, name: str) -> bool:
        """Whether a row named this image."""
        return bool(self._database.execute("select 1 from images where path = ?", (plain(name),)).fetchone())

    def has_splits(self) -> bool:
        """Whether any row named a split."""
        return bool(self._database.execute("select 1 from images where split != '' limit 1").fetchone())

    def grouped(self) -> Iterator[tuple[str, tuple[str, ...], str, dict[str, Any], str]]:
        """(name, captions, split, metadata, problem) for each image."""
        self._database.execute("create index if not exists by_image on captions (image)")
        images = self._database.execute("select id, name, split, metadata, problem from images order by id")
        for image, name, split, metadata, problem in images:
            rows = self._database.execute("select caption from captions where image = ? order by rowid", (image,))
            yield name, tuple(text for (text,) in rows), split, json.loads(metadata), problem

    def close(self) -> None:
        """Removes the temporary file."""
        self._database.close()


class CaptionFileReader(ABC):
    """Base of the readers whose captions lie in files and name images by path.

    A subclass yields rows, or whole samples where the image's bytes stand in the row itself.
    """

    format = ""

    def __init__(self, tree: SourceTree, files: Sequence[SourceFile]) -> None:
        self.tree, self.files = tree, files

    @property
    def uri(self) -> str:
        return self.tree.uri

    @abstractmethod
    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        """All rows of one of the files, in its order."""

    def __iter__(self) -> Iterator[RawSample]:
        table = CaptionTable()
        try:
            for row in chain.from_iterable(map(self.rows, self.files)):
                if isinstance(row, RawSample):
                    yield row
                else:
                    table.add(row)
            yield from self._samples(table)
        except UnicodeDecodeError as error:
            raise SourceError(f"expected text in UTF-8 or UTF-16 in {self.uri}, got other bytes: {error}") from error
        finally:
            table.close()

    def _samples(self, table: CaptionTable) -> Iterator[RawSample]:
        files = ImageFiles(self.tree)
        default = UNLISTED if table.has_splits() else ""
        for name, captions, split, metadata, problem in table.grouped():
            yield RawSample(name, _reader(files, name), captions, split or default, metadata, problem)
        for name, image in files.uncaptioned(table.has):
            problem = f"expected a caption, but none names the image {name!r}"
            yield RawSample(name, image, (), default, problem=problem)


def _reader(files: ImageFiles, name: str) -> Callable[[], bytes]:
    try:
        return files.locate(name)
    except ImageError as error:
        return no_image(str(error))
