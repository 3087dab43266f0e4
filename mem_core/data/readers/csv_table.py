"""`csv`: one row per caption, in a CSV or TSV file with a header line, grouped by image.

Images lie beside the file, in subfolders, or in tars beside it. Columns: see `columns.py`. Comma, tab, `|` (Flickr30k's
results.csv, which does not quote) and `;` are told apart by the header.
"""

import csv
from collections.abc import Iterator

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.captions import Row
from mem_core.data.readers.columns import CAPTION, IMAGE, PER_CAPTION, SPLIT, pick, repeated
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import open_text, repaired

_DELIMITERS = (",", "\t", "|", ";")


class CsvReader(FormatReader):
    """Captions from one table file."""

    format = "csv"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        delimiter = _delimiter(file)
        with open_text(file, newline="") as stream:
            # Flickr30k's file has bare quotes in its captions and quotes nothing.
            plain = delimiter == "|"
            lines = csv.reader(
                stream,
                delimiter=delimiter,
                quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
                strict=True,
            )
            try:
                header = next(lines)
                if twice := repeated(header):
                    raise SourceError(f"expected {twice} in {file}")
                columns = _Columns(header, file.name)
                for fields in lines:
                    if fields:
                        yield columns.row(fields, lines.line_num)
            except csv.Error as error:
                place = f"line {lines.line_num} of {file}"
                raise SourceError(f"expected a well-formed table, but {place} is not: {error}") from error


def _delimiter(file: SourceFile) -> str:
    with open_text(file) as stream:
        header = stream.readline(100_000).rstrip("\r\n")
    for delimiter in _DELIMITERS:
        columns = next(csv.reader([header], delimiter=delimiter), [])
        if pick(columns, IMAGE) and pick(columns, CAPTION):
            return delimiter
    raise SourceError(
        f"expected a header line with an image column ({', '.join(IMAGE)}) and a caption column "
        f"({', '.join(CAPTION)}) in {file}, got {repaired(header)[0][:200]!r}"
    )


class _Columns:
    """Which column of a table is what."""

    def __init__(self, header: list[str], table: str) -> None:
        self.header = [column.strip() for column in header]
        self.table = table
        self.image, self.caption, self.split = (pick(self.header, names) for names in (IMAGE, CAPTION, SPLIT))
        used = {self.image, self.caption, self.split, ""}
        self.others = [name for name in self.header if name not in used and name.lower() not in PER_CAPTION]

    def row(self, fields: list[str], line: int) -> Row | RawSample:
        """The row of one line (its number names it in messages)."""
        where = f"{self.table}:{line}"
        if len(fields) != len(self.header):
            return failed(where, f"{where}: expected {len(self.header)} columns, got {len(fields)}")
        values = {column: value.strip() for column, value in zip(self.header, fields, strict=True)}
        name = values[str(self.image)]
        if not name:
            return failed(where, f"{where}: expected the path of an image, got nothing")
        metadata = {key: values[key] for key in self.others if values[key] and repaired(values[key] + key)[1]}
        return Row(name, values[str(self.caption)], values[self.split] if self.split else "", metadata)


def has_header(file: SourceFile) -> bool:
    """Whether the file is a table this reader can read."""
    try:
        _delimiter(file)
    except SourceError:
        return False
    return True
