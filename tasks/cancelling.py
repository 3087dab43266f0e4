"""Whether somebody has cancelled the run: asked now and then by the work itself, so that it stops where it can go on.

A worker ends the process of a cancelled run. A run of the plain command line has no worker, and one on a Ray cluster
has tasks on machines that no worker of Prefect's knows: without this they would go on to their end.
"""

import threading
import time
from functools import cache
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext, TaskRunContext

from mem_core.common.errors import StopRun

_BETWEEN_LOOKS = 3.0  # seconds; each look is a request to the server
_CANCELLED = (StateType.CANCELLING, StateType.CANCELLED)


class RunCancelled(StopRun):
    """Somebody cancelled the run; what is finished is kept."""

    def __init__(self, *message: str) -> None:
        super().__init__(*message or ("the run was cancelled; what is finished is kept, and running it again goes on",))


class _Watch:
    """The flow run of this work and those above it, as the server knows them."""

    def __init__(self, run: UUID) -> None:
        self._runs, self._above_known = [run], False
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._cancelled = False

    def cancelled(self) -> bool:
        if not self._cancelled and self._lock.acquire(blocking=False):  # one of all threads asks, the others go on
            try:
                if time.monotonic() - self._looked >= _BETWEEN_LOOKS:
                    self._cancelled = self._look()
                    self._looked = time.monotonic()
            finally:
                self._lock.release()
        return self._cancelled

    def _look(self) -> bool:
        try:
            with get_client(sync_client=True) as client:
                if not self._above_known:
                    self._runs, self._above_known = _with_those_above(client, self._runs[0]), True
                states = (client.read_flow_run(run).state_type for run in self._runs)
                return any(state in _CANCELLED for state in states)
        except Exception:  # a server that is gone must not stop hours of work
            return False


_watch = cache(_Watch)
"""The one watch of a run in this process."""


def stop_if_cancelled() -> None:
    """Raises `RunCancelled` if the run that this is a part of, or one above it, was cancelled; asks now and then."""
    run = _flow_run()
    if run is not None and _watch(run).cancelled():
        raise RunCancelled


def _flow_run() -> UUID | None:
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    if task is not None:
        return task.task_run.flow_run_id
    return flow.flow_run.id if flow is not None and flow.flow_run is not None else None


def _with_those_above(client: SyncPrefectClient, run: UUID) -> list[UUID]:
    """A flow that another one calls is a task run of that one."""
    runs = [run]
    while (above := client.read_flow_run(runs[-1]).parent_task_run_id) is not None:
        caller = client.read_task_run(above).flow_run_id
        if caller is None:
            break
        runs.append(caller)
    return runs
