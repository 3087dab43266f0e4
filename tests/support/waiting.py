"""Waiting for what another thread, process or server does: until it is so, and no longer."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.005


def wait_until(condition: Callable[[], T], within: float = 60.0) -> T:
    """What the condition says once it holds. Fails if it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"expected this to become true within {within:g} s"
        time.sleep(_POLL_SECONDS)
    return found
