"""`NNNNN.parquet`: one row for each sample of the clean shard, in its order, whatever became of it."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, get_args

from mem_core.common.errors import MismatchError
from mem_core.common.reasons import CODES, Code
from mem_core.common.storage.folder import Folder, read_bytes

if TYPE_CHECKING:
    import pyarrow

Status = Literal["protected", "clean", "failed", "passthrough"]

_LATER = ("backed_off_to", "code", "name", "origin")  # in this order; older tables lack them and mean their defaults
_MAX_ROWS = 1_000_000
_MAX_BYTES = 1 << 30  # uncompressed, as the file itself states it


@dataclass(frozen=True)
class SampleRow:
    """What became of one sample.

    status: protected; clean (published as it was, by a corpus or method that changes nothing); failed (not published,
    `reason` says why); passthrough (could not be protected and was published as it was, because the user asked so). Of
    a clean one, `reason` says what of the file beside its pixels was broken and is not looked at, "" for nothing.
    sha256_in, sha256_out: of the image file, clean and published ("" where there is none). width, height: pixels, 0
    if unknown. max_abs_difference: levels of 1/255. psnr: dB, None where the images are equal. trigger, caption: the
    words put in front or in place of others, and the first caption, as published. backed_off_to: levels that the noise
    was scaled back to for the quality budget, 0 if it was not. code: why the sample failed, as it is counted.
    name: what the source calls the image. origin: a JSON object of what leads back to the source (address, hashes) and
    is kept out of what is published; "" for nothing.
    """

    key: str
    status: Status
    reason: str = ""
    sha256_in: str = ""
    sha256_out: str = ""
    width: int = 0
    height: int = 0
    max_abs_difference: int = 0
    psnr: float | None = None
    ssim: float | None = None
    trigger: str = ""
    caption: str = ""
    backed_off_to: int = 0
    code: Code | Literal[""] = ""
    name: str = ""
    origin: str = ""

    @property
    def called(self) -> str:
        """What its owner knows it by."""
        return self.name or self.key


def table_name(shard: str) -> str:
    """The name of a shard's table beside its tar."""
    return f"{shard}.parquet"


def write_table(rows: Iterable[SampleRow]) -> bytes:
    """The rows as Parquet, as `parquet_bytes` writes them."""
    return parquet_bytes(rows, _schema())


def parquet_bytes(rows: Iterable[object], schema: "pyarrow.Schema") -> bytes:
    """Objects with an attribute for each column as Parquet; equal rows give equal bytes (for the same pyarrow)."""
    import pyarrow
    import pyarrow.parquet

    listed = list(rows)
    table = pyarrow.table({name: [getattr(row, name) for row in listed] for name in schema.names}, schema=schema)
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def read_table(data: bytes, name: str = "table") -> list[SampleRow]:
    """The rows of a table that `write_table` made; raises `MismatchError` for anything else.

    `name` (file or shard) is for the message.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        schema = _schema()
        if not any(file.schema_arrow.equals(known) for known in _known(schema)):
            raise MismatchError(f"expected memshield's columns in {name}, got {', '.join(file.schema_arrow.names)}")
        groups = [file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)]
        if file.metadata.num_rows > _MAX_ROWS or sum(groups) > _MAX_BYTES:
            raise MismatchError(f"expected at most {_MAX_ROWS} rows in {name}, got {file.metadata.num_rows}")
        rows = [SampleRow(**values) for values in file.read().to_pylist()]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise MismatchError(f"expected a Parquet table in {name}, but it cannot be read: {error}") from error
    for row in rows:
        _check(row, name)
    return rows


def read_rows(folder: Folder, shard: str) -> list[SampleRow]:
    """The rows of a shard's table in a folder; raises as `read_table`, and FileNotFoundError where there is none."""
    return read_table(read_bytes(folder, table_name(shard)), f"{folder.uri}/{table_name(shard)}")


def recorded_triggers(folder: Folder, shard: str) -> dict[str, str]:
    """Key -> the words put before or into the captions of each sample of a protected shard, as its table says."""
    return {row.key: row.trigger for row in read_rows(folder, shard)}


def _check(row: SampleRow, name: str) -> None:
    if row.status not in get_args(Status):
        raise MismatchError(f"expected a known status for {row.key} in {name}, got {row.status!r}")
    if row.status == "failed" and not row.reason:
        raise MismatchError(f"expected a reason for the failed sample {row.key} in {name}, got none")
    if row.code not in ("", *CODES):
        raise MismatchError(f"expected a known code for {row.key} in {name}, got {row.code!r}")
    missing = [name for name, value in vars(row).items() if value is None and name not in ("psnr", "ssim")]
    if missing:
        raise MismatchError(f"expected a value in {', '.join(missing)} of {row.key} in {name}, got none")


def _known(schema: "pyarrow.Schema") -> "Iterator[pyarrow.Schema]":
    """The schema, and those of older versions."""
    yield schema
    for column in reversed(_LATER):
        schema = schema.remove(schema.get_field_index(column))
        yield schema


def _schema() -> "pyarrow.Schema":
    import pyarrow  # here, not at the top: half a second that those who read no table need not wait for

    text, number, real = pyarrow.string(), pyarrow.int32(), pyarrow.float64()
    whole = dict.fromkeys(("width", "height", "max_abs_difference", "backed_off_to"), number)
    kinds = {**whole, "psnr": real, "ssim": real}
    return pyarrow.schema([(field.name, kinds.get(field.name, text)) for field in fields(SampleRow)])
