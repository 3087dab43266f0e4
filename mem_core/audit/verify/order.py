"""Keys and their order: clean tar, table and protected tar in step, and what is in one but not in another."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from mem_core.data.shard import Broken, Sample
from mem_core.data.table import SampleRow

PUBLISHED = ("protected", "clean", "passthrough")

# Names a finding: the key it concerns, and what is wrong.
Name = Callable[[str, str], None]


class TableOrder:
    """The rows of a table, taken in the order of the clean tar."""

    def __init__(self, rows: list[SampleRow], name: Name) -> None:
        self._rows = rows
        self._name = name
        self._place = {row.key: place for place, row in enumerate(rows)}
        self._next = 0
        self._passed: set[int] = set()

    def take(self, key: str) -> tuple[SampleRow | None, list[SampleRow]]:
        """The row of the next clean sample, if it has one, and the rows before it that have no clean sample so far."""
        place = self._place.get(key)
        if place is None:
            self._name(key, "missing: a clean sample that the table has no row for")
            return None, []
        if place < self._next:
            self._name(key, "order: its row comes earlier in the table than its sample in the clean tar")
            self._passed.discard(place)
            return None, []
        passed = range(self._next, place)
        self._passed.update(passed)
        self._next = place + 1
        return self._rows[place], [self._rows[i] for i in passed]

    def finish(self) -> list[SampleRow]:
        """Reports the rows without a clean sample; returns those that come after the last."""
        rest = range(self._next, len(self._rows))
        for place in sorted(self._passed.union(rest)):
            self._name(self._rows[place].key, "extra: a row of the table for a sample that the clean tar does not have")
        return [self._rows[place] for place in rest]


class TarOrder:
    """The protected tar, read in step with the keys that the table says are in it."""

    def __init__(self, items: Iterator[Sample | Broken], rows: list[SampleRow], name: Name) -> None:
        self._name = name
        self._items = items
        self._next = next(items, None)
        self._expected = Counter(row.key for row in rows if row.status in PUBLISHED)
        self._failed = {row.key for row in rows if row.status == "failed"}
        self._passed_over: dict[str, None] = {}  # expected and not found at its place, in order

    def withdraw(self, rows: Iterable[SampleRow]) -> None:
        """These rows do not match the clean tar: their samples are not expected any more."""
        for row in rows:
            self._expected[row.key] = 0

    def take(self, key: str) -> Sample | None:
        """The published sample of this key if it comes next; whatever comes before it is reported."""
        self._skip_unexpected()
        self._expected[key] -= 1
        if self._next is None or self._next.key != key:
            self._passed_over[key] = None
            return None
        item = self._next
        self._next = next(self._items, None)
        if isinstance(item, Broken):
            self._name(key, f"the published sample cannot be read: {item.reason}")
            return None
        return item

    def finish(self) -> None:
        """Names what is left over on either side."""
        self._expected.clear()
        self._skip_unexpected()
        for key in self._passed_over:
            self._name(key, "missing: not in the protected tar, and not recorded as failed")

    def _skip_unexpected(self) -> None:
        while self._next is not None and self._expected[self._next.key] <= 0:
            key = self._next.key
            if key in self._passed_over:
                del self._passed_over[key]
                self._name(key, "order: it comes later in the protected tar than in the clean one")
            elif key in self._failed:
                self._name(key, "extra: recorded as failed, yet it is in the protected tar")
            else:
                self._name(key, "extra: in the protected tar, but not at this place of the clean one and the table")
            self._next = next(self._items, None)
