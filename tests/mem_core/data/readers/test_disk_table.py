"""Rows on disk come back as a dictionary of lists would give them."""

from hypothesis import given
from hypothesis import strategies as st

from mem_core.data.readers.disk_table import DiskTable, as_key, as_text

ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)))


@given(ROWS, st.booleans())
def test_rows_come_by_key_in_the_order_of_their_first(rows: list[tuple[str, int]], indexed: bool) -> None:
    table, expected = DiskTable("key text", "value int"), dict[str, list[tuple[str, int]]]()
    for row in rows:
        table.add(row)
        expected.setdefault(row[0], []).append(row)
    if indexed:
        table.index("key")
    assert list(table.groups()) == list(expected.values())
    assert [key for key in "abcd" if key in table] == sorted(expected)
    assert list(table.select("where value > ? order by n", 4)) == [row for row in rows if row[1] > 4]
    assert table.value("count(*)") == len(rows)
    assert table.value("value", "where key = ?", "nowhere") is None


def test_what_is_added_while_rows_are_read_is_there_later() -> None:
    table = DiskTable("key text")
    for number in range(3000):
        table.add((f"{number // 2:09d}",))
    groups = table.groups()
    assert next(groups) == [("000000000",)] * 2
    assert "000001499" in table
    assert sum(map(len, groups)) == 2998


@given(st.text(st.characters()))
def test_a_key_need_not_be_text(name: str) -> None:
    assert as_text(as_key(name)) == name
