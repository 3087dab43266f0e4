"""`parquet`: tables with an image (path, bytes, or Hugging Face's {bytes, path}) and one or more captions a row.

Read row by row: a few bytes of Parquet may stand for gigabytes in every row of a batch.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mem_core.common.errors import SourceError
from mem_core.data.readers.base import RawSample
from mem_core.data.readers.captions import Row
from mem_core.data.readers.columns import ACCEPTED, BYTES, CAPTION, IMAGE, pick, read_columns, repeated
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_MOST_BYTES = 512 << 20  # of a row group that is packed more than images ever are
_MOST_PACKED = 100
_MOST_VALUES = 20_000_000  # of a column in a row group: captions stand in lists


class ParquetReader(FormatReader):
    """Records from one or more Parquet files."""

    format = "parquet"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        for number, record in enumerate(_records(file)):
            read = read_columns(record, f"{file.name}:{number}")
            yield from [read] if isinstance(read, RawSample) else read


def _records(table: SourceFile) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with (
            table.seekable() as stream,
            pyarrow.parquet.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20) as opened,
        ):
            columns = opened.schema_arrow.names
            if twice := repeated(columns):
                raise SourceError(f"expected {twice} in {table}")
            if not (pick(columns, IMAGE) or pick(columns, BYTES)):
                raise SourceError(f"expected {ACCEPTED}; got {', '.join(columns)[:300]} in {table}")
            if not pick(columns, CAPTION):
                raise SourceError(f"expected a caption column ({', '.join(CAPTION)}), got {', '.join(columns)[:300]}")
            useful = _useful(opened.schema_arrow)
            _check_sizes(opened.metadata, useful, table)
            for batch in opened.iter_batches(batch_size=1, columns=useful):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:  # the last two: of a value
        raise SourceError(f"expected a Parquet file, but {table} cannot be read: {error}") from error


def _useful(schema: "pyarrow.Schema") -> list[str]:
    """The columns that are read: images, captions, and single values that a sidecar can hold: no lists of numbers, no
    times (which may lie beyond any calendar of Python's)."""
    from pyarrow.types import is_nested, is_temporal

    taken = {pick(schema.names, accepted) for accepted in (IMAGE, BYTES, CAPTION)}
    return [
        field.name for field in schema if field.name in taken or not (is_nested(field.type) or is_temporal(field.type))
    ]


def _check_sizes(metadata: "pyarrow.parquet.FileMetaData", useful: list[str], table: SourceFile) -> None:
    """Raises `SourceError` for a file whose own metadata says that it would fill the memory."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        every = (group.column(place) for place in range(group.num_columns))
        columns = [column for column in every if column.path_in_schema.partition(".")[0] in useful]
        packed, whole = (
            sum(getattr(c, f"total_{kind}_size") for c in columns) for kind in ("compressed", "uncompressed")
        )
        if whole > max(_MOST_BYTES, _MOST_PACKED * packed):
            raise SourceError(f"expected a table of images, but {packed} bytes of {table} stand for {whole}")
        if any(column.num_values > _MOST_VALUES for column in columns):
            raise SourceError(f"expected at most {_MOST_VALUES} values in a column of a row group of {table}, got more")
