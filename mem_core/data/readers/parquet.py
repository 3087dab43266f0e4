"""`parquet`: tables with an image (path, bytes, or Hugging Face's {bytes, path}) and one or more captions a row.

A few bytes of Parquet may stand for gigabytes in every row, where a long value stands in a dictionary. So as many rows
are read at once as fit into a quarter of a gigabyte at the worst that the file's own metadata allows.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mem_core.common.errors import SourceError
from mem_core.data.readers.columns import Columns, required_columns
from mem_core.data.readers.records import Record, RecordReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import DECODING

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

_MOST_BYTES = 512 << 20  # of a row group that is packed more than images ever are
_MOST_PACKED = 100
_MOST_VALUES = 20_000_000  # of a column in a row group: captions stand in lists
_MOST_ROWS = 1000  # at once
_USUAL_AT_ONCE, _WORST_AT_ONCE = 32 << 20, 256 << 20  # bytes of the rows that are read at once
_UNPACKED = {"UNCOMPRESSED": 1, "SNAPPY": 22}  # bytes that one byte may stand for at most; others: no such bound
_REPEATING = ("DICTIONARY", "DELTA_BYTE_ARRAY")  # parts of the names of encodings


class ParquetReader(RecordReader):
    """Records from one or more Parquet files."""

    format = "parquet"

    def records(self, file: SourceFile) -> Iterator[Record]:
        import pyarrow
        import pyarrow.parquet

        try:
            with (
                file.seekable() as stream,
                pyarrow.parquet.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20) as opened,
            ):
                schema = opened.schema_arrow
                useful = _useful(schema, required_columns(schema.names, file, self.config))
                _check_sizes(opened.metadata, useful, file)
                number = 0
                for group in range(opened.num_row_groups):
                    size = _rows_at_once(opened.metadata.row_group(group), useful)
                    for batch in opened.iter_batches(batch_size=size, row_groups=[group], columns=useful):
                        for values, problem in _values(batch):
                            yield Record(f":{number}", values, problem)
                            number += 1
        except (pyarrow.ArrowException, OSError) as error:
            what = f"cannot be read (copy it anew, or leave it out of the source): {error}"
            raise SourceError(f"expected a Parquet file, but {file} {what}") from error


def _useful(schema: "pyarrow.Schema", columns: Columns) -> list[str]:
    """The columns that are read: images, captions, and single values that a sidecar can hold: no lists of numbers, no
    times (which may lie beyond any calendar of Python's)."""
    from pyarrow.types import is_nested, is_temporal

    taken = {columns.image, columns.data, *columns.captions}
    return [
        field.name for field in schema if field.name in taken or not (is_nested(field.type) or is_temporal(field.type))
    ]


def _chunks(
    group: "pyarrow.parquet.RowGroupMetaData", useful: list[str]
) -> "list[pyarrow.parquet.ColumnChunkMetaData]":
    every = (group.column(place) for place in range(group.num_columns))
    return [chunk for chunk in every if chunk.path_in_schema.partition(".")[0] in useful]


def _check_sizes(metadata: "pyarrow.parquet.FileMetaData", useful: list[str], table: SourceFile) -> None:
    """Raises `SourceError` for a file whose own metadata says that it would fill the memory."""
    for number in range(metadata.num_row_groups):
        chunks = _chunks(metadata.row_group(number), useful)
        packed, whole = (
            sum(getattr(chunk, f"total_{kind}_size") for chunk in chunks) for kind in ("compressed", "uncompressed")
        )
        if whole > max(_MOST_BYTES, _MOST_PACKED * packed):
            raise SourceError(f"expected a table of images, but {packed} bytes of {table} stand for {whole}")
        if any(chunk.num_values > _MOST_VALUES for chunk in chunks):
            raise SourceError(f"expected at most {_MOST_VALUES} values in a column of a row group of {table}, got more")


def _rows_at_once(group: "pyarrow.parquet.RowGroupMetaData", useful: list[str]) -> int:
    chunks = _chunks(group, useful)
    usual = sum(int(chunk.total_uncompressed_size) for chunk in chunks) // max(int(group.num_rows), 1)
    worst = usual + sum(map(_longest_repeated, chunks))
    return max(1, min(_MOST_ROWS, _USUAL_AT_ONCE // (usual + 1), _WORST_AT_ONCE // (worst + 1)))


def _longest_repeated(chunk: "pyarrow.parquet.ColumnChunkMetaData") -> int:
    """The most bytes that a value may have which takes next to none in each row: one that others only refer to."""
    if not any(part in encoding for encoding in chunk.encodings for part in _REPEATING):
        return 0
    whole = int(chunk.total_uncompressed_size)
    if "DELTA_BYTE_ARRAY" in chunk.encodings or not chunk.has_dictionary_page:
        return whole
    packed = int(chunk.data_page_offset) - int(chunk.dictionary_page_offset)
    return min(whole, packed * _UNPACKED.get(chunk.compression, whole)) if packed > 0 else whole


def _values(batch: "pyarrow.RecordBatch") -> Iterator[tuple[dict[str, Any], str]]:
    """The rows; for one that Python cannot hold, what is wrong."""
    try:
        rows = batch.to_pylist()
    except (ValueError, OverflowError):
        rows = []
    yield from ((row, "") for row in rows)
    for number in range(len(rows), batch.num_rows):
        columns = zip(batch.schema.names, batch.columns, strict=True)
        try:
            yield {name: _value(column[number]) for name, column in columns}, ""
        except (ValueError, OverflowError) as error:
            yield {}, f"expected values that can be read: {error}"


def _value(scalar: Any) -> Any:
    """As Python has it; bytes that are no text become lone surrogates."""
    import pyarrow

    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        if isinstance(scalar, pyarrow.StructScalar):
            return {key: _value(value) for key, value in scalar.items()}
        if isinstance(scalar, pyarrow.ListScalar):
            return [_value(value) for value in scalar.values]
        return scalar.as_buffer().to_pybytes().decode("utf-8", DECODING)
