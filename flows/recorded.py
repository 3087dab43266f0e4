"""Flows as their runs are recorded: completed ones with a message, cancelled ones as cancelled."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Flow, tags
from prefect.exceptions import MissingResult
from prefect.states import Cancelled, Completed
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.cancelling import RunCancelled
from tasks.first_event import send_first_event

P = ParamSpec("P")
R = TypeVar("R")
_returned: ContextVar[list[Any]] = ContextVar("returned")  # by the function of the flow that was called last


class _Recorded(Flow[P, R]):
    """A flow whose caller gets what the function returned, though the server was told of the end twice.

    Prefect tells it again where no answer came, for instance since the database was locked for long. The server then
    gives back its own record of the state, which has no result, and Prefect raises in place of returning one.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        returned: list[Any] = []
        before = _returned.set(returned)
        try:
            return super().__call__(*args, **kwargs)
        except MissingResult:
            if not returned:
                raise
            return returned[0]
        finally:
            _returned.reset(before)


def _keep(found: Any) -> None:
    """For whoever called the flow; a deployed run is not called.

    Its own function, as Ray is sent the one that calls it by value, and a context variable cannot go along.
    """
    if (returned := _returned.get(None)) is not None:
        returned.append(found)


def recorded(
    name: str, *, run_name: str | Callable[[], str], told: Callable[[Any], str]
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Makes a flow of a function. told: the message of a completed run, from what the function returned.

    The caller of the flow gets what the function returned, or its error. A run that was cancelled ends as such:
    Prefect would count the error by which the work stops as a failure.
    """

    def make(function: Callable[P, R]) -> Flow[P, R]:
        if (known := _as_imported(function)) is not None:
            return cast("Flow[P, R]", known)

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            send_first_event()
            try:
                with tags("memshield"):  # of what it calls; the run itself has those of its deployment or command
                    found = function(*args, **kwargs)
            except RunCancelled as error:
                return Cancelled(data=error, message=str(error))
            _keep(found)
            return Completed(data=found, message=told(found))

        runner = cast(Any, ThreadPoolTaskRunner())
        return _Recorded(cast(Any, run), name=name, flow_run_name=run_name, task_runner=runner)

    return make


def _as_imported(function: Callable[..., Any]) -> Any:
    """The flow of this name in our package, where Prefect runs a file of the package as a script by itself; else None.

    That is how a worker loads a deployment. Nobody else could import what such a script defines: not Ray's workers,
    which get the flow with every task.
    """
    file = Path(function.__code__.co_filename).resolve()
    module = f"{__package__}.{file.stem}"
    if file.parent != Path(__file__).resolve().parent or function.__module__ == module:
        return None
    return getattr(import_module(module), function.__name__)
