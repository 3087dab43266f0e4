"""One live display a process: a line for every task at work, finished news above them.

On a terminal the lines are bars that rich redraws; elsewhere (a log file, CI) each task prints a plain line now and
then. Nothing is shown until `shown_on_terminal` is entered: a worker of a deployment has nobody who watches.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from mem_core.common.progress import Progress

_BETWEEN_LINES = 10.0  # seconds


class Display:
    """Where a process shows what it does. bars: redrawn in place; None where lines are printed once and left."""

    def __init__(self, stream: TextIO, bars: Bars | None) -> None:
        self._stream, self._bars = stream, bars

    @contextmanager
    def line(self, title: str) -> Iterator[Progress]:
        """A line for one piece of work, gone when the block ends."""
        bars = self._bars
        if bars is None:
            yield now_and_then(_BETWEEN_LINES, lambda words: self.say(f"  {title}: {words}"))
            return
        bar = bars.add_task(escape(title), total=None, detail="")

        def show(done: int, total: int, detail: str = "") -> None:
            bars.update(bar, completed=done, total=total or None, detail=escape(in_words(done, total, detail)))

        try:
            yield show
        finally:
            bars.remove_task(bar)

    def say(self, message: str) -> None:
        """News that stays."""
        if self._bars is None:
            with suppress(OSError):  # whoever read it is gone: no reason to stop
                print(message, file=self._stream, flush=True)
        else:
            self._bars.console.print(escape(message), highlight=False)


def in_words(done: int, total: int, detail: str) -> str:
    """`2 of 10 loss 1.5`. Sources do not say how much they hold: then there is no total."""
    return f"{done} of {total} {detail}".rstrip() if total else f"{done} {detail}".rstrip()


def now_and_then(seconds: float, tell: Callable[[str], None]) -> Progress:
    """Progress that is told in words, at most once in so many seconds and not before they are over."""
    told = time.monotonic()

    def watch(done: int, total: int, detail: str = "") -> None:
        nonlocal told
        if time.monotonic() - told >= seconds:
            told = time.monotonic()
            tell(in_words(done, total, detail))

    return watch


_display: Display | None = None


def display() -> Display | None:
    """The display of this process, if somebody watches."""
    return _display


@contextmanager
def shown_on_terminal(stream: TextIO | None = None, *, quiet: bool = False) -> Iterator[None]:
    """Shows all work of this process on the stream (standard error) while the block runs, unless it is to be quiet."""
    global _display
    if _display is not None or quiet:
        yield
        return
    console = Console(file=stream or sys.stderr)
    with _bars(console) if console.is_terminal else nullcontext() as bars:
        _display = Display(stream or sys.stderr, bars)
        try:
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
