"""How all tasks behave: what is tried again, and what is never cached.

The one mapping of mem_core's three classes of errors to Prefect:

    StopRun      the task fails at once, and with it the flow, with the error's sentence
    RetryShard   the task is tried again, three times, with growing pauses; so is a lack of memory
    SampleError  never arrives here: mem_core makes it a row with a reason
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Cancelled

from mem_core.common.errors import MemshieldError, RetryShard
from tasks.cancelling import RunCancelled

P = ParamSpec("P")
R = TypeVar("R")

PAUSES = [2.0, 10.0, 30.0]  # seconds before each further try


def _without_stack(record: logging.LogRecord) -> bool:
    """Our errors are logged as the sentence they are; what is not ours keeps its stack: that is where a bug shows."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, MemshieldError):
        record.msg, record.args = f"{type(error).__name__}: {error}", ()
        record.exc_info = record.exc_text = None
    return True


for _logger in ("prefect.flow_runs", "prefect.task_runs"):  # all engines of Prefect log through these two
    logging.getLogger(_logger).addFilter(_without_stack)  # once is enough, more do no harm


def may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed when it is tried again."""
    out_of_memory = type(error).__name__ == "OutOfMemoryError"  # torch's, which this layer does not import
    return isinstance(error, RetryShard | MemoryError) or out_of_memory


def _tries_again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's question after a failure; `state.data` is the exception itself."""
    result = state.result(raise_on_failure=False)
    return isinstance(result, BaseException) and may_pass(result)


def step(name: str, *, run_name: str, tags: tuple[str, ...] = ()) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Makes a task of a function. `run_name` is filled in with the function's parameters.

    Results are not cached: the receipts in the destination say what is done, whoever did it.
    """

    def make(function: Callable[P, R]) -> Task[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return function(*args, **kwargs)
            except RunCancelled as error:  # whoever waits for the task gets the error; its run is none that failed
                return Cancelled(data=error, message=str(error))

        made: Any = task(
            name=name,
            task_run_name=run_name,
            tags=list(tags),
            retries=len(PAUSES),
            retry_delay_seconds=PAUSES,
            retry_condition_fn=_tries_again,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(run)
        return cast("Task[P, R]", made)

    return make
