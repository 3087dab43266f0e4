"""Items in order, errors where they belong, no thread left behind."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.prefetch import prefetch


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers() | st.none()), st.integers(1, 5))
def test_the_same_items_in_the_same_order(items: list[int | None], depth: int) -> None:
    assert list(prefetch(items, depth)) == items


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), StopIteration("inner")])
def test_an_error_comes_after_the_items_before_it(error: BaseException) -> None:
    class Items:
        def __iter__(self) -> Iterator[int]:
            return self

        count = 0

        def __next__(self) -> int:
            self.count += 1
            if self.count > 3:
                raise error
            return self.count

    found: list[int] = []
    if isinstance(error, StopIteration):
        assert list(prefetch(Items())) == [1, 2, 3]
        return
    with pytest.raises(type(error)):
        found.extend(prefetch(Items()))
    assert found == [1, 2, 3]


def test_only_a_few_items_are_made_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    for taken, item in enumerate(prefetch(items(), depth=2), start=1):
        assert item == taken - 1
        assert len(made) <= taken + 3  # two that are ready, and one that waits for room


def test_closing_early_ends_the_thread() -> None:
    before = threading.active_count()
    stream = prefetch(iter(range(10**9)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_nothing_starts_before_it_is_asked_for() -> None:
    before = threading.active_count()
    stream = prefetch([1])
    assert threading.active_count() == before
    assert list(stream) == [1]
