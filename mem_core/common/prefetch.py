"""Prepares the next items, or results, while the current one is in use."""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import repeat
from typing import Any, TypeVar, cast

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_END: Any = object()


def prefetch(items: Iterable[_Item], depth: int = 2) -> Generator[_Item, None, None]:
    """The same items in the same order, prepared by a thread at most `depth` items ahead.

    An error of the iterable is raised here, where its item would have come. Closing stops the thread.
    """
    source = iter(items)
    with closing(prefetch_map(lambda _: next(source, _END), repeat(None), depth=depth)) as found:
        for item in found:
            if item is _END:
                return
            yield cast(_Item, item)


def prefetch_map(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    threads: int = 1,
    depth: int = 2,
    weight: Callable[[_Item], int] = lambda _: 0,
    heaviest: float = math.inf,
) -> Generator[_Result, None, None]:
    """`work` of every item, in the order of the items, by a few threads and at most `depth` results ahead.

    weight: of the result of an item, in bytes for instance; what is in use, in work or done before its turn weighs at
    most `heaviest` together, or is a single result. An error of `work` is raised where its result would have come.
    Closing cancels what has not begun and waits for what has.
    """
    source = iter(items)
    waiting: deque[tuple[int, Future[_Result]]] = deque()
    held = 0
    pool = ThreadPoolExecutor(threads)
    try:
        following = next(source, _END)
        while waiting or following is not _END:
            while following is not _END and len(waiting) <= depth:
                added = weight(following)
                if waiting and held + added > heaviest:
                    break
                waiting.append((added, pool.submit(work, following)))
                held += added
                following = next(source, _END)
            own, future = waiting.popleft()
            yield future.result()
            held -= own
    finally:
        pool.shutdown(cancel_futures=True)
