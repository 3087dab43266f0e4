"""prefect.yaml, the Makefile and CI say what is there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.schemas.objects import FlowRun

from tests.support.command_line import Command

ROOT = Path(__file__).parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: str(deployment["name"]))
def test_every_entrypoint_is_a_flow_with_a_form(deployment: dict[str, Any]) -> None:
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    flow = load_flow_from_entrypoint(
        str(ROOT / deployment["entrypoint"].partition(":")[0]) + ":" + _function(deployment)
    )
    assert flow.name == deployment["name"]
    file = Path(deployment["entrypoint"].partition(":")[0])
    assert flow.fn.__module__ == f"flows.{file.stem}"  # a name by which Ray's workers can import it
    schema = parameter_schema(flow.fn)
    assert schema.required
    assert set(deployment.get("parameters", {})) <= set(schema.properties)
    for definition in schema.definitions.values():
        assert definition["additionalProperties"] is False  # unknown settings are refused in the form, too


def test_all_of_them_deploy(prefect_api: str, tmp_path: Path) -> None:
    environment = os.environ | {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(tmp_path)}
    memshield = [sys.executable, "-m", "flows.cli.app"]
    for time in range(2):  # a second time renews what is there
        if time == 1:
            _set_nightly("c", "d")
            _add_schedule("mine")
        done = subprocess.run(
            [*memshield, "deploy", "--device-pool", "memshield-gpu"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    from prefect import get_client

    with get_client(sync_client=True) as client:
        found = {deployment.name: deployment for deployment in client.read_deployments()}
        automations = [automation["name"] for automation in client.request("POST", "/automations/filter").json()]
    assert set(found) >= {entry["name"] for entry in DEPLOYMENTS}
    for entry in DEPLOYMENTS:
        assert found[entry["name"]].work_pool_name == (
            "memshield-gpu" if "device" in entry["tags"] else "memshield-cpu"
        )
    assert found["nightly"].parameters == {"clean": "c", "dest": "d"}
    assert {schedule.slug: schedule.active for schedule in found["nightly"].schedules} == {
        "nightly": True,
        "mine": True,
    }
    assert {run.state_name for run in _scheduled(found["nightly"].id)} == {"Scheduled"}
    limit = found["nightly"].global_concurrency_limit
    assert limit is not None
    assert limit.limit == 1
    assert len([name for name in automations if name.startswith("memshield - ")]) == 5


def _set_nightly(clean: str, dest: str) -> None:
    """As a person does in the UI."""
    from prefect import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("nightly/nightly")
        client.update_deployment(nightly.id, DeploymentUpdate(parameters={"clean": clean, "dest": dest}))
        client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=True)


def _add_schedule(slug: str) -> None:
    """One more, with a name, as `prefect deployment schedule create` may give it."""
    from prefect import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    more = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 2 * * *"), active=True, slug=slug)
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("nightly/nightly")
        body = [more.model_dump(mode="json")]
        client.request("POST", f"/deployments/{nightly.id}/schedules", json=body)  # type: ignore[arg-type]


def _scheduled(deployment: UUID) -> list[FlowRun]:
    """The runs that the server plans for a schedule, as it does by itself every minute."""
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    with get_client(sync_client=True) as client:
        client.request("POST", f"/deployments/{deployment}/schedule", json={"max_runs": 2})  # type: ignore[arg-type]
        of_it = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        runs = client.read_flow_runs(deployment_filter=of_it)
        client.pause_deployment(deployment)  # the server of these tests has no worker
    return runs


def test_it_is_deployed_from_the_root_only(
    prefect_api: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    refused = command("deploy")
    assert (refused.exit_code, "go to the repository's root" in refused.stderr) == (1, True)


def test_make_knows_what_the_documents_name() -> None:
    for target in ("demo", "test", "check", "bench", "stop", "clean", "lock", "up", "down", "nightly"):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=True)


def test_ci_runs_what_people_run() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "check test" in script
    subprocess.run(["sh", "-n", ROOT / ".ci/run"], check=True)


def _function(deployment: dict[str, Any]) -> str:
    return str(deployment["entrypoint"]).partition(":")[2]


def test_the_installer_names_what_is_missing_before_it_downloads(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    done = subprocess.run(
        ["sh", str(ROOT / "deployments/install.sh"), str(environment), str(tmp_path / "no-python")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "expected Python 3.11 or later" in done.stderr
    assert "name one with PYTHON=" in done.stderr
    assert not environment.exists()
