"""The task runs that a server knows: those of other tests on the same server, too."""

from prefect import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterName


def task_names(part: str) -> set[str]:
    """The names of all task runs with this text in their name, of which the server gives at most 200."""
    named = TaskRunFilter(name=TaskRunFilterName(like_=part))
    with get_client(sync_client=True) as client:
        return {run.name for run in client.read_task_runs(task_run_filter=named, limit=200)}
