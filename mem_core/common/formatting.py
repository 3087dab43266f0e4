"""Numbers and tables as people write them, for lines on a terminal and captions on a page."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from mem_core.common.errors import ConfigError

_ROUND_FROM = 90  # of a unit: below that it reads better than the next larger unit


def counted(number: int, thing: str) -> str:
    """`1 shard`, `2,000 shards`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey: names of files and models are others' to choose."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def duration(seconds: float) -> str:
    """In the most readable unit: `2 seconds`, `12 minutes`, `3.5 hours`."""
    if seconds < _ROUND_FROM:
        return counted(max(1, round(seconds)), "second")
    minutes = seconds / 60
    return counted(round(minutes), "minute") if minutes < _ROUND_FROM else f"{minutes / 60:.1f} hours"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def read_duration(text: str) -> timedelta:
    """`90m`, `26h`, `1.5d` and the like. Raises `ConfigError` for anything else."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?([smhd])", text.strip())
    if match is None:
        raise ConfigError(f"expected a time as 90m, 26h or 2d, got {text!r}")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The lines of a table in Markdown, without an end of line after the last."""
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def corpus_name(address: str) -> str:
    """A short name for a corpus: the last part of its address; in a pipeline, that of the run and of the row."""
    parts = [part for part in address.replace("://", "/").split("/") if part]
    if parts[-1:] == ["protected"] and parts[-3:-2] == ["rows"]:
        return " ".join((*parts[-4:-3], parts[-2]))
    return parts[-1] if parts else address
