"""Rows in a temporary SQLite file, so that memory does not grow with the source."""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

_AT_ONCE = 1000  # rows


class DiskTable:
    """Rows of the same columns, the first of them a key. What is added is there for all that asks later.

    columns: their names and SQLite's types for them.
    """

    def __init__(self, *columns: str) -> None:
        self._names = ", ".join(column.split()[0] for column in columns)
        self._insert = f"insert into entries values (null{', ?' * len(columns)})"
        self._waiting: list[tuple[Any, ...]] = []
        self._changes, self._last = 0, object()  # how often the key differs from the row before
        self._database = sqlite3.connect("", check_same_thread=False)  # "": a private file that vanishes with it
        self._database.executescript(
            f"pragma journal_mode = off; create table entries (n integer primary key, {', '.join(columns)});"
        )

    def add(self, row: tuple[Any, ...]) -> None:
        if row[0] != self._last:
            self._changes, self._last = self._changes + 1, row[0]
        self._waiting.append(row)
        if len(self._waiting) >= _AT_ONCE:
            self._store()

    def select(self, rest: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows that the rest of a query takes; `n` is a row's number."""
        found = self._run(f"select {self._names} from entries {rest}", *values)
        while page := found.fetchmany(_AT_ONCE):
            yield from page

    def value(self, what: str, rest: str = "", *values: Any) -> Any:
        """What one row has, as `count(*)` and `max(n)`; None where there is no such row."""
        found: tuple[Any, ...] = self._run(f"select {what} from entries {rest}", *values).fetchone() or (None,)
        return found[0]

    def groups(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of each key in their order; keys in the order of their first rows."""
        key = self._names.partition(",")[0]
        if self.value(f"count(distinct {key})") == self._changes:  # mostly: all of each key stand together
            rows = self.select("order by n")
        else:
            firsts = f"(select {key} as its, min(n) as first from entries group by {key})"
            rows = self.select(f"join {firsts} on {key} = its order by first, n")
        for _, group in groupby(rows, itemgetter(0)):
            yield list(group)

    def __contains__(self, key: object) -> bool:
        return self.value("1", f"where {self._names.partition(',')[0]} = ?", key) is not None

    def index(self, *columns: str) -> None:
        """Makes questions by these columns fast; to be called when all rows are there."""
        self._run(f"create index by_{'_'.join(columns)} on entries ({', '.join(columns)})")

    def _run(self, query: str, *values: Any) -> sqlite3.Cursor:
        self._store()
        return self._database.execute(query, values)

    def _store(self) -> None:
        if self._waiting:
            self._database.executemany(self._insert, self._waiting)
            self._waiting.clear()


def as_key(text: str) -> bytes:
    """File names may have bytes that are no text: SQLite takes them as bytes only."""
    return text.encode("utf-8", "surrogatepass")


def as_text(key: bytes) -> str:
    """What `as_key` was given."""
    return key.decode("utf-8", "surrogatepass")
