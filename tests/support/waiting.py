"""Waiting for what another thread, process or server does: until it is so, and no longer."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_SHORTEST, _LONGEST = 0.005, 0.5  # seconds between two looks


def wait_until(condition: Callable[[], T], within: float = 180.0) -> T:
    """What the condition says once it holds. Fails if it does not within so many seconds.

    Looks come further apart the longer it waits, a twentieth of that: who looks at a server all the while slows it.
    """
    start = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - start
        assert waited < within, f"expected this to become true within {within:g} s"
        time.sleep(min(max(waited / 20, _SHORTEST), _LONGEST))
    return found
