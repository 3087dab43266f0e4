"""A run that is cancelled in the UI stops at the next batch, ends as Cancelled, and goes on when it is run again."""

from typing import Any
from uuid import UUID

import pytest
from prefect import flow, get_client, task
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, TaskRunFilter, TaskRunFilterName
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows.mapping import map_shards
from flows.recorded import recorded
from flows.shard_runner import shard_runner_of
from mem_core.config import RunnerConfig
from tasks import cancelling
from tasks.cancelling import RunCancelled
from tasks.options import step
from tasks.progress import watched
from tests.support.waiting import wait_until

SHARDS = [f"{number:05d}" for number in range(5)]
pytestmark = pytest.mark.usefixtures("prefect_api")


def cancel(run: UUID) -> None:
    """As the UI does it."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())


def state_of(run: UUID) -> tuple[StateType | None, str]:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    return (state.type, state.message or "") if state else (None, "")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_BETWEEN_LOOKS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_no_further_shard_is_begun_and_the_one_at_work_stops_at_its_next_batch() -> None:
    batches: list[tuple[str, int]] = []
    ids: list[UUID] = []

    @step("work", run_name="work on {shard}")
    def work(shard: str) -> None:
        with watched(shard) as progress:
            for batch in range(3):
                progress(batch, 3)
                batches.append((shard, batch))
                if (shard, batch) == ("00001", 1):
                    cancel(ids[0])

    @recorded("inner", run_name="inner", told=str)
    def inner() -> dict[str, None]:
        with shard_runner_of(RunnerConfig()) as runner:
            return map_shards(work, SHARDS, runner=runner)

    @recorded("outer", run_name="outer", told=str)
    def outer() -> None:
        from prefect.runtime import flow_run

        ids.append(UUID(str(flow_run.id)))
        inner()

    with pytest.raises(RunCancelled, match="running it again goes on"):
        outer()
    assert batches == [("00000", 0), ("00000", 1), ("00000", 2), ("00001", 0), ("00001", 1)]
    assert state_of(ids[0])[0] == StateType.CANCELLED
    with get_client(sync_client=True) as client:
        below = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=["inner"])))
        assert [run.state_type for run in below] == [StateType.CANCELLED]
        work_on = TaskRunFilter(name=TaskRunFilterName(any_=["work on 00001"]))
        wait_until(  # records of tasks come later
            lambda: [run.state_type for run in client.read_task_runs(task_run_filter=work_on)] == [StateType.CANCELLED]
        )


@pytest.mark.usefixtures("at_once")
def test_a_server_that_does_not_answer_cancels_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(**_: object) -> Any:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(cancelling, "get_client", gone)

    @task
    def work(shard: str) -> str:
        cancelling.stop_if_cancelled()
        return shard

    @flow
    def over_all() -> dict[str, str]:
        with shard_runner_of(RunnerConfig()) as runner:
            return map_shards(work, SHARDS, runner=runner)

    assert list(over_all()) == SHARDS
