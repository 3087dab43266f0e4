"""The table of a shard's twins: a row for each sample that has one."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from mem_core.common.errors import MismatchError
from mem_core.data.table import parquet_bytes

if TYPE_CHECKING:
    import pyarrow

_MOST_ROWS, _MOST_BYTES = 1_000_000, 1 << 30


@dataclass(frozen=True)
class TwinRow:
    """One sample with a twin. draw: which of its two versions was published, for those who check the coins.

    trigger: the words put into the captions. sha256: of the image file. captions: all of them, as in the tars.
    """

    key: str
    draw: int
    trigger: str
    twin_trigger: str
    sha256: str
    twin_sha256: str
    captions: tuple[str, ...]
    twin_captions: tuple[str, ...]


def write_twin_table(rows: Iterable[TwinRow]) -> bytes:
    """The rows as Parquet, as other tables are."""
    return parquet_bytes(rows, _schema())


def read_twin_table(data: bytes, name: str) -> list[TwinRow]:
    """The rows of such a table. Raises `MismatchError` for anything else; name: the file, for sentences."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        if not file.schema_arrow.equals(_schema()):
            raise ValueError(f"its columns are {', '.join(file.schema_arrow.names)}")
        size = sum(file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups))
        if file.metadata.num_rows > _MOST_ROWS or size > _MOST_BYTES:
            raise ValueError(f"it has {file.metadata.num_rows} rows")
        found = file.read().to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise MismatchError(f"expected a table of twins in {name}, but it cannot be read: {error}") from error
    if any(value is None or (isinstance(value, list) and None in value) for row in found for value in row.values()):
        raise MismatchError(f"expected a value in every column of the table of twins {name}, got none in some")
    rows = [TwinRow(**row) for row in found]
    return [replace(row, captions=tuple(row.captions), twin_captions=tuple(row.twin_captions)) for row in rows]


def _schema() -> "pyarrow.Schema":
    import pyarrow

    text, kinds = pyarrow.string(), {"draw": pyarrow.int8()}
    kinds |= dict.fromkeys(("captions", "twin_captions"), pyarrow.list_(text))
    return pyarrow.schema([(field.name, kinds.get(field.name, text)) for field in fields(TwinRow)])
