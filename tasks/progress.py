"""The progress of a task, for the terminal, Prefect's UI and the run's log."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

from prefect import get_client
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from mem_core.common.progress import Progress
from tasks.cancelling import stop_if_cancelled
from tasks.terminal import display, in_words, now_and_then
from tasks.this_run import in_run

_BETWEEN_UPDATES = 2.0  # seconds; each update is a request to the server
_BETWEEN_LOG_LINES = 30.0


@contextmanager
def watched(title: str) -> Iterator[Progress]:
    """What mem_core calls while it works on `title`, batch by batch; it raises `RunCancelled` if the run is cancelled.

    Quick work leaves no trace but its result, and longer work its lines in the log: the bar goes when the work ends.
    """
    with ExitStack() as stack:
        watchers: list[Progress] = []
        shown = display()
        if shown is not None:
            watchers.append(stack.enter_context(shown.line(title)))
        if TaskRunContext.get() is not None:
            artifact = _Artifact(title)
            stack.callback(artifact.close)
            watchers += [artifact, now_and_then(_BETWEEN_LOG_LINES, get_run_logger().info)]

        def tell(done: int, total: int, detail: str = "") -> None:
            stop_if_cancelled()
            for watcher in watchers:
                watcher(done, total, detail)

        yield tell


def say(message: str) -> None:
    """News for the terminal and the log of the run."""
    shown = display()
    if shown is not None:
        shown.say(message)
    if in_run():
        get_run_logger().info(message)


class _Artifact:
    """A progress artifact of the task run, made once the work has taken a while."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._sent = time.monotonic()
        self._id: UUID | None = None
        self._broken = False

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        if total and time.monotonic() - self._sent >= _BETWEEN_UPDATES:
            self._send(100 * min(1.0, done / total), f"{self._title}: {in_words(done, total, detail)}")

    def close(self) -> None:
        """The work is over, well or not: its bar would only stand between the tables that stay."""
        if self._id is not None and not self._broken:
            try:
                with get_client(sync_client=True) as client:
                    client.delete_artifact(self._id)
            except Exception as error:
                get_run_logger().warning("a bar of finished work stays: %s", error)

    def _send(self, percent: float, description: str) -> None:
        if self._broken:
            return
        try:
            if self._id is None:
                made = create_progress_artifact(percent, description=description)
                self._id = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(self._id, progress=percent, description=description)
        except Exception as error:  # a server that is gone must not stop hours of work
            self._broken = True
            get_run_logger().warning("progress is no longer shown: %s", error)
        self._sent = time.monotonic()
