"""One live display a process: a line for every task at work, finished news above them.

On a terminal the lines are bars that rich redraws; elsewhere (a log file, CI) each task prints a plain line now and
then. Nothing is shown until `shown_on_terminal` is entered: a worker of a deployment has nobody who watches.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from mem_core.common.progress import Progress

_BETWEEN_LINES = 10.0  # seconds


class Display(Protocol):
    """Where a process shows what it does."""

    def line(self, title: str) -> AbstractContextManager[Progress]:
        """A line for one piece of work, gone when the block ends."""
        ...

    def say(self, message: str) -> None:
        """News that stays."""
        ...


class _LiveDisplay:
    """Bars that are redrawn in place."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextmanager
    def line(self, title: str) -> Iterator[Progress]:
        bar = self._bars.add_task(escape(title), total=None, detail="")

        def show(done: int, total: int, detail: str = "") -> None:
            said = f"{_count(done, total)} {detail}".strip()
            self._bars.update(bar, completed=done, total=total or None, detail=escape(said))

        try:
            yield show
        finally:
            self._bars.remove_task(bar)

    def say(self, message: str) -> None:
        self._bars.console.print(escape(message), highlight=False)


class _PlainDisplay:
    """Lines that are printed once and left."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def line(self, title: str) -> Iterator[Progress]:
        printed = time.monotonic()

        def show(done: int, total: int, detail: str = "") -> None:
            nonlocal printed
            if time.monotonic() - printed >= _BETWEEN_LINES:
                printed = time.monotonic()
                self.say(f"  {title}: {_count(done, total)} {detail}".rstrip())

        yield show

    def say(self, message: str) -> None:
        print(message, file=self._stream, flush=True)


def _count(done: int, total: int) -> str:
    """Sources do not say how much they hold: then there is no total."""
    return f"{done} of {total}" if total else str(done)


_display: Display | None = None
_entering = threading.Lock()


def display() -> Display | None:
    """The display of this process, if somebody watches."""
    return _display


@contextmanager
def shown_on_terminal(stream: TextIO | None = None) -> Iterator[None]:
    """Shows all work of this process on the stream (standard error) while the block runs."""
    global _display
    chosen = stream or sys.stderr
    with _entering:
        outermost = _display is None
    if not outermost:
        yield
        return
    console = Console(file=chosen)
    try:
        if console.is_terminal:
            with _bars(console) as bars:
                _display = _LiveDisplay(bars)
                yield
        else:
            _display = _PlainDisplay(chosen)
            yield
    finally:
        _display = None


def _bars(console: Console) -> Bars:
    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("[dim]{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=4,
    )
