"""One write in the background, that whoever depends on it waits for."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWrite:
    """The last write that was begun. Who waits for it is told if it failed; who then waits again repeats it."""

    def __init__(self) -> None:
        self._write: Callable[[], None] | None = None
        self._begun: Future[None] | None = None
        self._lock = threading.Lock()

    def begin(self, write: Callable[[], None]) -> None:
        """Begins a write, after the one before it."""
        self.settle()
        pool = ThreadPoolExecutor(1)
        self._write, self._begun = write, pool.submit(write)
        pool.shutdown(wait=False)

    def settle(self) -> None:
        """Returns when nothing is left to write. Raises what the write raised."""
        with self._lock:
            begun, self._begun = self._begun, None
            if begun is not None:
                begun.result()
            elif self._write is not None:
                self._write()
            self._write = None
