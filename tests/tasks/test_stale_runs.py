"""Runs that died unseen: found by the next run of their deployment."""

from datetime import timedelta
from uuid import UUID

import pytest
from prefect import flow, get_client
from prefect.context import get_run_context
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Crashed, Pending, Running

from tasks.stale_runs import end_stale_runs, say_if_given_up

pytestmark = pytest.mark.usefixtures("prefect_api")


@flow
def looking(silence: float) -> list[str]:
    return end_stale_runs(timedelta(seconds=silence))


def deployment(name: str) -> UUID:
    with get_client(sync_client=True) as client:
        return client.create_deployment(client.create_flow(looking), name)


def run_of(deployed: UUID, silence: float) -> list[str]:
    with get_client(sync_client=True) as client, temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        run = client.create_flow_run_from_deployment(deployed)
        return run_flow(looking, flow_run=run, parameters={"silence": silence})  # type: ignore[return-value]


def test_runs_of_the_own_deployment_that_are_silent_are_crashed_and_no_others() -> None:
    mine, other = deployment("mine"), deployment("another")
    with get_client(sync_client=True) as client:
        pending = client.create_flow_run_from_deployment(mine, state=Pending())
        running = client.create_flow_run_from_deployment(mine, state=Running())
        elsewhere = client.create_flow_run_from_deployment(other, state=Running())
    assert run_of(mine, 3600) == []  # they may have begun a moment ago
    assert sorted(run_of(mine, 0)) == sorted([pending.name, running.name])
    assert run_of(mine, 0) == []
    with get_client(sync_client=True) as client:
        states = [client.read_flow_run(run.id).state_name for run in (pending, running, elsewhere)]
    assert states == ["Crashed", "Crashed", "Running"]


def test_outside_of_a_deployment_nothing_is_looked_for() -> None:
    assert end_stale_runs() == []
    assert looking(0) == []


@flow
def alive(marked: bool) -> tuple[str, bool]:
    run = get_run_context().flow_run  # type: ignore[union-attr]
    assert run is not None
    if marked:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, Crashed(message="no heartbeat"), force=True)
    return str(run.id), say_if_given_up()


@pytest.mark.parametrize("marked", [True, False])
def test_a_run_that_is_taken_for_dead_says_so_and_ends_as_completed(marked: bool) -> None:
    identity, said = alive(marked)
    assert said is marked
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(UUID(identity)).state_name == "Completed"
