"""Nights that do not start, for want of a worker or because another one still runs: somebody is told, once."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.actions import DeploymentScheduleUpdate, DeploymentUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import RRuleSchedule

from tests.chaos.installation import PATIENCE, Installation, installed
from tests.chaos.nights import DEPLOYMENT, OF_THE_LATE, faster_code, kill_worker, receiver, runs_of_worker, tell_at
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
AHEAD, APART = timedelta(seconds=30), 5  # when nights are planned


@pytest.fixture
def alerts() -> Iterator[tuple[str, list[str]]]:
    with receiver() as hook:
        yield hook


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path / "home", faster_code(tmp_path / "code", OF_THE_LATE)) as made:
        yield made


def test_of_nights_that_do_not_start(installation: Installation, alerts: tuple[str, list[str]]) -> None:
    address, heard = alerts
    tell_at(installation, address)
    kill_worker(installation)
    plan(installation, 1)
    (late,) = wait_until(lambda: nights(installation, "Late"), PATIENCE)
    (said,) = wait_until(lambda: texts(heard), PATIENCE)
    assert_names(said, late)
    assert "nightly" in said
    assert "no worker has taken it." in said
    assert "Start one of the pool memshield-cpu, or all that is missing with `make up`" in said

    installation.up()  # as the alert says: the night begins
    (hanging,) = wait_until(lambda: runs_of_worker(installation), PATIENCE)
    os.killpg(hanging, signal.SIGSTOP)
    try:
        plan(installation, 2)
        cancelled = wait_until(lambda: pair(nights(installation, "Cancelled")), PATIENCE)
        wait_until(lambda: len(heard) > 1, PATIENCE)
        plan(installation, 1)  # a third one is not told of: not every night of a week
        wait_until(lambda: len(nights(installation, "Cancelled")) > len(cancelled), PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(hanging, signal.SIGKILL)
    _, said = texts(heard)
    assert_names(said, cancelled[1])
    assert said.startswith("Two nights within 50 hours were cancelled")
    assert "Deployment concurrency limit reached." in said
    assert "Look under Runs for the night that still runs: cancel it if it hangs" in said


def plan(installation: Installation, count: int) -> None:
    """So many nights by a schedule, as a person sets it in the UI."""
    first = datetime.now(UTC) + AHEAD
    rule = f"DTSTART:{first:%Y%m%dT%H%M%SZ}\nRRULE:FREQ=SECONDLY;INTERVAL={APART};COUNT={count}"
    schedule = DeploymentScheduleUpdate(schedule=RRuleSchedule(rrule=rule), active=True)
    places = {"clean": "/nowhere/crawl", "dest": "/nowhere/published"}
    with installation.entered(), get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name(DEPLOYMENT)
        client.update_deployment(nightly.id, DeploymentUpdate(parameters=places, schedules=[schedule]))


def nights(installation: Installation, state: str) -> list[FlowRun]:
    """Those in a state, in the order in which they were planned."""
    wanted = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=[state])))
    with installation.entered(), get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=wanted)
    return sorted(found, key=lambda run: run.expected_start_time or datetime.max.replace(tzinfo=UTC))


def pair(runs: list[FlowRun]) -> list[FlowRun]:
    return runs if len(runs) == 2 else []


def texts(heard: list[str]) -> list[str]:
    return [json.loads(said)["text"] for said in heard]


def assert_names(said: str, run: FlowRun) -> None:
    """By its name, the time that it was planned for, and its address."""
    assert run.name in said
    assert f"{run.expected_start_time:%Y-%m-%d %H:%M} UTC" in said
    assert said.strip().endswith(f"/runs/flow-run/{run.id}")
