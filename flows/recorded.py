"""Flows as their runs are recorded: completed ones with a message, cancelled ones as cancelled."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow, flow, tags
from prefect.states import Cancelled, Completed
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.cancelling import RunCancelled
from tasks.first_event import send_first_event

P = ParamSpec("P")
R = TypeVar("R")


def recorded(
    name: str, *, run_name: str | Callable[[], str], told: Callable[[Any], str]
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Makes a flow of a function. told: the message of a completed run, from what the function returned.

    The caller of the flow gets what the function returned, or its error. A run that was cancelled ends as such:
    Prefect would count the error by which the work stops as a failure.
    """

    def make(function: Callable[P, R]) -> Flow[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            send_first_event()
            try:
                with tags("memshield"):  # of what it calls; the run itself has those of its deployment or command
                    found = function(*args, **kwargs)
            except RunCancelled as error:
                return Cancelled(data=error, message=str(error))
            return Completed(data=found, message=told(found))

        made: Any = flow(name=name, flow_run_name=run_name, task_runner=cast(Any, ThreadPoolTaskRunner()))(run)
        return cast("Flow[P, R]", made)

    return make
