"""Words around numbers."""

import pytest

from mem_core.common.errors import ConfigError
from mem_core.common.formatting import corpus_name, counted, duration, markdown_table, printable, read_duration


@pytest.mark.parametrize(("number", "said"), [(0, "0 shards"), (1, "1 shard"), (2, "2 shards"), (2000, "2,000 shards")])
def test_one_of_a_thing_has_no_s(number: int, said: str) -> None:
    assert counted(number, "shard") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "1 second"), (2.3, "2 seconds"), (89, "89 seconds"), (100, "2 minutes"), (12_600, "3.5 hours")],
)
def test_times_are_said_in_the_unit_that_tells_most(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("26h", 93_600), ("1.5d", 129_600), (" 5 s ", 5)])
def test_times_are_read(text: str, seconds: int) -> None:
    assert read_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "26", "h", "-1h", "1h30m", "1w", "9999999d"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a time as 90m, 26h or 2d, got"):
        read_duration(text)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/photos/", "photos"),
        ("s3://bucket", "bucket"),
        ("/data/protected", "protected"),
        ("/data/run/rows/mem-5/protected", "run mem-5"),
    ],
)
def test_a_corpus_is_called_by_what_tells_it_from_others(address: str, name: str) -> None:
    assert corpus_name(address) == name


def test_a_table_in_markdown_keeps_its_columns_whatever_is_in_a_cell() -> None:
    assert markdown_table(["a", "b"], [("1", "x | y")]) == "| a | b |\n| --- | --- |\n| 1 | x \\| y |"


def test_a_name_cannot_steer_a_terminal() -> None:
    assert printable("a\n\x1b[2J\u202eü \U0001f600") == "a\ufffd\ufffd[2J\ufffdü \U0001f600"
