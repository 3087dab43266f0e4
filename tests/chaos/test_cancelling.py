"""Cancelled in the UI: a worker's runs and a plain command, on Ray, too, stop soon, end as Cancelled, and can go on."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows.protect import protect
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PATIENCE = 600
SETTINGS = ("protect.noise.num_steps=60", "protect.batch_size=4")  # many batches, none of them long
ON_RAY = ("protect.noise.num_steps=24", "protect.batch_size=4", "protect.rounds=1")  # and then to its end
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
    run = _deployed("pipeline", source=str(drawn_source), dest=dest, preset="smoke", settings=list(SETTINGS))
    _cancel_while_it_computes(run, dest)
    assert set(_states(dest).values()) == {StateType.CANCELLED, StateType.COMPLETED}
    assert _states(dest)[run] == StateType.CANCELLED


def test_a_plain_command(prefect_api: str, clean_corpus: Path, tmp_path: Path) -> None:
    dest = str(tmp_path / "protected")
    process = _command(prefect_api, clean_corpus, dest, SETTINGS)
    (run,) = wait_until(lambda: _states(dest), PATIENCE)
    _cancel_while_it_computes(run, dest)
    _assert_told(process)
    assert list(_states(dest).values()) == [StateType.CANCELLED]


@pytest.fixture(scope="module")
def undisturbed(
    prefect_api: str,
    clean_corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
    read_tree: Callable[[Path], dict[str, bytes]],
) -> dict[str, bytes]:
    """What threads make of the corpus when nobody cancels."""
    dest = tmp_path_factory.mktemp("undisturbed") / "protected"
    protect(str(clean_corpus / "train"), str(dest), "smoke", ON_RAY)
    return read_tree(dest)


@pytest.mark.parametrize("begun_by", ["worker", "command"])
def test_a_corpus_on_ray(
    begun_by: Literal["worker", "command"],
    request: pytest.FixtureRequest,
    cluster: Any,
    prefect_api: str,
    clean_corpus: Path,
    tmp_path: Path,
    undisturbed: dict[str, bytes],
    read_tree: Callable[[Path], dict[str, bytes]],
) -> None:
    dest = tmp_path / "protected"
    ray = (*ON_RAY, "runtime.runner=ray", f"runtime.ray_address={cluster.address}", "runtime.device=cpu")
    if begun_by == "worker":
        request.getfixturevalue("worker")
        clean = str(clean_corpus / "train")
        run = _deployed("protect", clean=clean, dest=str(dest), preset="smoke", settings=list(ray))
        _cancel_while_it_computes(run, str(dest))
    else:
        process = _command(prefect_api, clean_corpus, str(dest), ray)
        (run,) = wait_until(lambda: _states(str(dest)), PATIENCE)
        _cancel_while_it_computes(run, str(dest))
        _assert_told(process)
    assert _states(str(dest)) == {run: StateType.CANCELLED}
    assert not list((dest / "_state").glob("0*.safetensors"))  # no shard at work came to its end, none was begun
    assert len(_updates(run)) <= len(cluster.machines)

    protect(str(clean_corpus / "train"), str(dest), "smoke", ray)
    assert read_tree(dest) == undisturbed


def _deployed(flow: str, **parameters: Any) -> UUID:
    """A run of a deployment, for the worker."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"{flow}/{flow}")
        return client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id


def _command(api: str, clean_corpus: Path, dest: str, settings: tuple[str, ...]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "protect", str(clean_corpus / "train"), dest, "--preset", "smoke"]
        + [part for setting in settings for part in ("--set", setting)],
        env=os.environ | {"PREFECT_API_URL": api},
        stderr=subprocess.PIPE,
        text=True,
    )


def _assert_told(process: "subprocess.Popen[str]") -> None:
    said = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, "Traceback" in said) == (1, False)
    assert said.splitlines()[-1].startswith("memshield: the run was cancelled; what is finished is kept")


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
    states = [state for run in _states(dest) for state in _updates(run).values()]
    return StateType.RUNNING in states


def _updates(run: UUID) -> dict[str, StateType | None]:
    """The tasks of a run that work on a shard."""
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=of_run)
    return {task.name: task.state_type for task in tasks if task.name.startswith("update ")}
