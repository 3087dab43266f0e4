"""`parquet`: tables with an image (path, bytes, or Hugging Face's {bytes, path}) and one or more captions a row.

Files named train-00000-of-00004.parquet and the like give the split where no column does. Read in small batches.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mem_core.data.readers.base import RawSample, split_word
from mem_core.data.readers.captions import CaptionFileReader, Row
from mem_core.data.readers.columns import ACCEPTED, BYTES, CAPTION, IMAGE, pick, read_record
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.errors import SourceError

_BATCH = 64
_SPLITS = ("train", "val", "test")


class ParquetReader(CaptionFileReader):
    """Records from one or more Parquet files."""

    format = "parquet"

    def __init__(self, tree: SourceTree, tables: list[SourceFile]) -> None:
        super().__init__(tree)
        self.tables = tables

    def rows(self) -> Iterator[Row | RawSample]:
        for table in self.tables:
            split = split_of(table)
            for number, record in enumerate(_records(table)):
                read = read_record(record, f"{table.name}:{number}")
                for item in [read] if isinstance(read, RawSample) else read:
                    yield item if item.split else replace(item, split=split)


def split_of(table: SourceFile) -> str:
    """The split in a file name like `validation-00000-of-00001.parquet`, or ""."""
    word = table.stem.replace("_", "-").partition("-")[0]
    try:
        split = split_word(word)
    except ValueError:
        return ""
    return split if split in _SPLITS else ""


def _records(table: SourceFile) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with (
            table.seekable() as stream,
            pyarrow.parquet.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20) as opened,
        ):
            columns = opened.schema_arrow.names
            if not (pick(columns, IMAGE) or pick(columns, BYTES)):
                raise SourceError(f"expected {ACCEPTED}; got {', '.join(columns)[:300]} in {table}")
            if not pick(columns, CAPTION):
                raise SourceError(f"expected a caption column ({', '.join(CAPTION)}), got {', '.join(columns)[:300]}")
            for batch in opened.iter_batches(batch_size=_BATCH):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"expected a Parquet file, but {table} cannot be read: {error}") from error
