import io
from dataclasses import replace

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import MismatchError
from mem_core.data.table import SampleRow, read_table, write_table

words = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(0, 2**31 - 1)
reals = st.none() | st.floats(allow_nan=False)
statuses = st.sampled_from(["protected", "clean", "passthrough"])
rows = st.builds(
    SampleRow, words, statuses, words, words, words, numbers, numbers, numbers, reals, reals, words, words, numbers
) | st.builds(SampleRow, words, st.just("failed"), words.filter(bool))
ROW = SampleRow("000000000", "protected", sha256_out="ab", width=3, height=4, psnr=40.5, trigger="zap")


@given(st.lists(rows, max_size=8))
def test_reading_gives_what_was_written_and_equal_rows_equal_bytes(written: list[SampleRow]) -> None:
    data = write_table(written)
    assert read_table(data) == written
    assert write_table([replace(row) for row in written]) == data


def test_garbage_is_refused() -> None:
    whole = write_table([ROW])
    for data in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", whole[:-20], whole[:40] + whole[60:]):
        with pytest.raises(MismatchError, match="00000.parquet"):
            read_table(data, "00000.parquet")


@given(st.data())
def test_damaged_tables_are_read_or_refused(data: st.DataObject) -> None:
    table = bytearray(write_table([ROW, SampleRow("b", "failed", "why")]))
    for _ in range(data.draw(st.integers(1, 5))):
        table[data.draw(st.integers(0, len(table) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_table(bytes(table))
    except MismatchError:
        pass


def of(**columns: list[object]) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


@pytest.mark.parametrize("younger", [4, 3])
def test_tables_of_older_versions_are_read(younger: int) -> None:
    now = pyarrow.parquet.read_table(io.BytesIO(write_table([ROW])))
    stream = io.BytesIO()
    pyarrow.parquet.write_table(now.drop_columns(now.column_names[-younger:]), stream)
    assert read_table(stream.getvalue()) == [ROW]


def test_foreign_tables_are_refused() -> None:
    with pytest.raises(MismatchError, match="got url, caption"):
        read_table(of(url=["u"], caption=["c"]))


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (SampleRow("a", "lost"), "known status"),  # type: ignore[arg-type]
        (SampleRow("a", "failed"), "reason"),
        (SampleRow(None, "clean"), "value in key"),  # type: ignore[arg-type]
    ],
)
def test_rows_that_say_nothing_are_refused(row: SampleRow, match: str) -> None:
    with pytest.raises(MismatchError, match=match):
        read_table(write_table([row]))
