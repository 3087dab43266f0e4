"""An installation that `memshield up` makes: server, pools, deployments, triggers, automations, a worker."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).parents[2]
PATIENCE = 600


@dataclass
class Installation:
    """What `memshield up` made. The environment of its processes knows no store."""

    home: Path
    environment: dict[str, str]
    code: Path = ROOT

    def memshield(self, *arguments: str) -> None:
        self._run("flows.cli", *arguments)

    def prefect(self, *arguments: str) -> None:
        self._run("prefect", "--no-prompt", *arguments)

    def up(self) -> None:
        """What a person does first, and again after whatever happened."""
        self.environment.pop("PREFECT_API_URL", None)
        self.memshield("up")
        self.environment["PREFECT_API_URL"] = f"http://127.0.0.1:{self.process('server')['port']}/api"

    def down(self) -> None:
        self.environment.pop("PREFECT_API_URL", None)
        self.memshield("down")

    def process(self, name: str) -> dict[str, Any]:
        """What is noted about the server or a worker."""
        return cast(dict[str, Any], json.loads((self.home / f"{name}.json").read_text()))

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Prefect's client of this process speaks to its server inside the block."""
        from prefect.settings import PREFECT_API_URL, temporary_settings

        with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}):
            yield

    def keep(self, block: str, value: str) -> None:
        """A Secret block, as a person makes it in the UI."""
        from prefect.blocks.system import Secret

        with self.entered():
            Secret(value=value).save(block, overwrite=True)

    def run(self, deployment: str, **parameters: Any) -> Any:
        """The final state of a run that the worker took."""
        from prefect.client.schemas.objects import FlowRun
        from prefect.deployments import run_deployment

        with self.entered():
            run = cast(FlowRun, run_deployment(deployment, parameters=parameters, timeout=PATIENCE, poll_interval=1))
        return run.state

    def records(self) -> str:
        """All that the server shows without being asked for secrets, and all that was written into logs."""
        from prefect import get_client

        with self.entered(), get_client(sync_client=True) as server:
            kept = [*server.read_flow_runs(), *server.read_task_runs(), *server.read_deployments(), *server.read_logs()]
            kept += server.read_work_pools()
            artifacts = server.request("POST", "/artifacts/filter", json={}).text
            automations = server.request("POST", "/automations/filter", json={}).text
        logs = [path.read_text(errors="replace") for path in self.home.glob("*.log")]
        return "\n".join([*(entry.model_dump_json() for entry in kept), artifacts, automations, *logs])

    def _run(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        log = self.home / "commands.log"
        with log.open("ab") as stream:  # no pipe: the server and the worker would hold it open
            done = subprocess.run(
                command,
                cwd=self.code,
                env=self.environment,
                stdout=stream,
                stderr=stream,
                timeout=PATIENCE,
                check=False,
            )
        assert done.returncode == 0, log.read_text()


@contextmanager
def installed(home: Path, code: Path = ROOT, **extra: str) -> Iterator[Installation]:
    """`memshield up` of the code in this folder, `memshield down` afterwards."""
    home.mkdir(exist_ok=True)
    others = ("AWS_", "PREFECT_", "MEMSHIELD_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environment |= {"MEMSHIELD_HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    environment |= {
        "PYTHONPATH": str(code),
        **dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull),
    }
    made = Installation(home, environment | extra, code)
    try:
        made.up()
        yield made
    finally:
        made.down()
