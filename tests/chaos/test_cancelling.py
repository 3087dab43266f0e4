"""Cancelled in the UI: a worker's pipeline and a plain command stop soon, end as Cancelled, and can go on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PATIENCE = 600
SETTINGS = ("protect.noise.num_steps=60", "protect.batch_size=4")  # many batches, none of them long
OVER = (StateType.CANCELLED, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED)


@pytest.fixture
def worker(prefect_api: str, tmp_path: Path) -> Iterator[None]:
    """All deployments, and a worker that takes their runs."""
    environment = os.environ | {"PREFECT_API_URL": prefect_api, "MEMSHIELD_HOME": str(tmp_path / "home")}
    deploy = [sys.executable, "-m", "flows.cli", "deploy"]
    subprocess.run(deploy, cwd=ROOT, env=environment, capture_output=True, timeout=PATIENCE, check=True)
    start = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "memshield-cpu"]
    process = subprocess.Popen(start, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    process.terminate()
    process.wait(60)


@pytest.mark.usefixtures("worker")
def test_a_pipeline_of_a_worker(drawn_source: Path, tmp_path: Path) -> None:
    dest = str(tmp_path / "run")
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("pipeline/pipeline")
        parameters = {"source": str(drawn_source), "dest": dest, "preset": "smoke", "settings": list(SETTINGS)}
        run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id
    _cancel_while_it_computes(run, dest)
    assert set(_states(dest).values()) == {StateType.CANCELLED, StateType.COMPLETED}
    assert _states(dest)[run] == StateType.CANCELLED


def test_a_plain_command(prefect_api: str, clean_corpus: Path, tmp_path: Path) -> None:
    dest = str(tmp_path / "protected")
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "protect", str(clean_corpus / "train"), dest, "--preset", "smoke"]
        + [part for setting in SETTINGS for part in ("--set", setting)],
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        stderr=subprocess.PIPE,
        text=True,
    )
    (run,) = wait_until(lambda: _states(dest), PATIENCE)
    _cancel_while_it_computes(run, dest)
    said = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, "Traceback" in said) == (1, False)
    assert said.splitlines()[-1].startswith("memshield: the run was cancelled; what is finished is kept")
    assert list(_states(dest).values()) == [StateType.CANCELLED]


def _cancel_while_it_computes(run: UUID, dest: str) -> None:
    """Cancels a run at work on a shard, as the UI does, and waits until it and all below it are over."""
    wait_until(lambda: _at_work(dest), PATIENCE)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelling())
    wait_until(lambda: all(state in OVER for state in _states(dest).values()), PATIENCE)


def _states(dest: str) -> dict[UUID, StateType | None]:
    """The flow runs that work on a destination."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(limit=200)
    return {run.id: run.state_type for run in runs if dest in str(run.parameters)}


def _at_work(dest: str) -> bool:
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(limit=200)
    mine = [task for task in tasks if task.flow_run_id in _states(dest) and task.name.startswith("update ")]
    return any(task.state_type == StateType.RUNNING for task in mine)
