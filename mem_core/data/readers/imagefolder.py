"""`imagefolder`: Hugging Face's metadata.csv, .jsonl or .parquet, at the top or in split folders, images around it.

Read as other tables are, but that a `file_name` is relative to the folder of its table.
"""

from collections.abc import Iterator

from mem_core.data.readers.base import RawSample
from mem_core.data.readers.captions import Row
from mem_core.data.readers.csv_table import CsvReader
from mem_core.data.readers.jsonl import JsonlReader
from mem_core.data.readers.parquet import ParquetReader
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile

_TABLES: dict[str, type[FormatReader]] = {".parquet": ParquetReader, ".csv": CsvReader, ".tsv": CsvReader}


class ImagefolderReader(FormatReader):
    """Captions from all metadata tables of a source."""

    format = "imagefolder"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        table = _TABLES.get(file.suffix, JsonlReader)(self.tree, self.found, self.config, self.seed)
        for row in table.rows(file):
            yield row._replace(image=f"{file.parent}/{row.image}") if isinstance(row, Row) and file.parent else row
