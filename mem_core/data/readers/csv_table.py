"""`csv`: one row per caption, in a CSV or TSV file with a header line, grouped by image. Columns: see `columns.py`.

Comma, tab, `|` and `;` are told apart by the header. A row that is broken costs itself: one of too many or too few
columns, one with text behind a closing quote, one whose quote is closed by other rows or never.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import repeat
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from mem_core.config import CorpusConfig
from mem_core.data.readers.columns import columns_of, required_columns
from mem_core.data.readers.path_parts import is_picture
from mem_core.data.readers.records import Record, RecordReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import open_text, read_lines

_MOST_LINES = 100  # of one row, in quotes
_MOST_IN_FIELD = 16 << 20  # characters: pictures in base64
_MOST_IN_HEADER = 100_000

csv.field_size_limit(max(csv.field_size_limit(), _MOST_IN_FIELD))  # the module has one limit, for everybody


class Header(NamedTuple):
    """The first row of a table. line: where it stands, 1 for the first."""

    columns: tuple[str, ...]
    delimiter: str
    line: int


class CsvReader(RecordReader):
    """Captions from one table file."""

    format = "csv"

    def records(self, file: SourceFile) -> Iterator[Record]:
        with open_text(file, self.config.encoding) as stream:
            header = header_in(iter(partial(stream.readline, _MOST_IN_HEADER), ""), self.config)
        columns = required_columns(header.columns, f"the header line of {file}", self.config)
        lines = read_lines(file, self.config.encoding)
        image = header.columns.index(columns.image or columns.data or "")
        rows = _Rows((line for line in lines if line[0] > header.line), header, image)
        for number, fields, problem in rows:
            if problem:
                yield Record(f":{number}", {}, problem, rows.image_in(fields))
            elif fields:
                yield Record(f":{number}", dict(zip(header.columns, map(str.strip, fields), strict=True)))


def header_in(lines: Iterable[str], config: CorpusConfig) -> Header:
    """The first line that is not blank, by the delimiter that gives known columns, else by that of the most."""
    number, text = 0, ""
    for line in lines:
        number += 1
        text = "" if re.fullmatch(r"sep=.?\s*", line) else line.strip()  # Excel's note for itself
        if text:
            break
    found = []
    for delimiter in (",", "\t", "|", ";"):
        with suppress(csv.Error):
            fields = next(csv.reader([text], delimiter=delimiter), [])
            found.append(Header(tuple(field.strip() for field in fields), delimiter, number))
    found.sort(key=lambda one: (not columns_of(one.columns, config).known, -len(one.columns)))
    return found[0] if found else Header((), ",", number)


class _Rows:
    """(line, fields, problem) of each row. A broken one is its first line alone: the lines behind it are read anew."""

    def __init__(self, lines: Iterator[tuple[int, str]], header: Header, image: int) -> None:
        self._lines, self._columns, self._image = lines, len(header.columns), image
        self._taken: list[tuple[int, str]] = []
        self._again: list[tuple[int, str]] = []  # the next line is the last
        # Flickr30k's file has bare quotes in its captions and quotes nothing.
        plain = header.delimiter == "|" and "comment" in header.columns
        self._quoting: Any = csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
        self._delimiter = header.delimiter

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        # `map` goes on after its end: at the end of the file, lines may be put back.
        rows = self._reader(map(self._next, repeat(None)), strict=True)
        while True:
            self._taken.clear()
            try:
                fields, problem = next(rows), ""
            except StopIteration:
                return
            except csv.Error as error:
                fields, problem = [], f"expected a well-formed row: {str(error).partition(' - ')[0]}"
            if not problem and any(self._is_row(line, fields) for _, line in self._taken[1:]):
                problem = "expected a closing quote, but the lines behind it are rows by themselves"
            if problem:
                self._again += reversed(self._taken[1:])
                fields = self._alone(self._taken[0][1])
            elif fields and len(fields) != self._columns:
                problem = f"expected {self._columns} columns, got {len(fields)}"
            yield self._taken[0][0], fields, problem

    def image_in(self, fields: list[str]) -> str:
        """The name of the image in a broken row, "" if none can be made out."""
        name = fields[self._image].strip() if len(fields) > self._image else ""
        return "" if re.search(r"\s", name) and not PurePosixPath(name).suffix else name

    def _reader(self, lines: Iterable[str], *, strict: bool = False) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._delimiter, quoting=self._quoting, strict=strict)

    def _alone(self, line: str) -> list[str]:
        """What a line would be by itself."""
        try:
            return next(self._reader([line.replace("\r", " ")]), [])
        except csv.Error:
            return []

    def _next(self, _: None) -> str:
        if len(self._taken) == _MOST_LINES:
            raise csv.Error(f"a quote is open for more than {_MOST_LINES} lines")
        line = self._again.pop() if self._again else next(self._lines)
        self._taken.append(line)
        return line[1]

    def _is_row(self, line: str, fields: list[str]) -> bool:
        """Whether a line inside a quoted text is a row like the one that swallows it: its image is named alike."""
        alone = self._alone(line)
        if len(alone) < 2 or len(alone) <= self._image or len(fields) <= self._image:
            return False
        own, other = fields[self._image].strip(), alone[self._image].strip()
        return is_picture(other) or (bool(other) and _shape(own) == _shape(other))


def _shape(name: str) -> str:
    """What names like 000123 and 000124 have in common."""
    return re.sub(r"[0-9]+", "0", name)
