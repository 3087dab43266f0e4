"""Items in order, errors where they belong, no thread left behind."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.prefetch import prefetch, prefetch_map


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


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9)), st.integers(1, 4), st.integers(0, 6), st.integers(0, 20))
def test_mapped_items_keep_their_order_and_their_bound(
    weights: list[int], threads: int, depth: int, heaviest: int
) -> None:
    lock, held = threading.Lock(), list[int]()

    def work(place: int) -> int:
        with lock:
            held.append(place)
            assert len(held) <= depth + 1
            assert sum(weights[i] for i in held) <= heaviest or len(held) == 1
        return place

    found = []
    for place in prefetch_map(
        work, range(len(weights)), threads=threads, depth=depth, weight=lambda i: weights[i], heaviest=heaviest
    ):
        found.append(place)
        with lock:
            held.remove(place)
    assert found == list(range(len(weights)))


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)
    assert len(list(prefetch_map(lambda _: together.wait(), range(6), threads=3, depth=3))) == 6


def test_an_error_of_the_work_comes_in_its_turn_and_ends_all_threads() -> None:
    before = threading.active_count()
    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(prefetch_map(lambda item: 6 // item, [3, 2, 0, 1, 1, 1], threads=2, depth=4))
    assert found == [2, 3]
    assert threading.active_count() == before
