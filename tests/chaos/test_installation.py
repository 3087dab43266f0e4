"""A real installation: server, pools, deployments, triggers, a worker, in a store whose keys only blocks know."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.experiments.config import RunConfig
from tasks.events import Measure
from tasks.status import read_status
from tasks.storage import open_folder
from tests.s3.swift_server import KEY, SECRET, SwiftServer, client, credentials
from tests.support.corpora import contents
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE = 600
WRONG = "no-longer-the-secret"


@dataclass
class Installation:
    """What `memshield up` made. The environment of its processes knows no store."""

    home: Path
    environment: dict[str, str]

    def memshield(self, *arguments: str) -> None:
        self._run("flows.cli", *arguments)

    def prefect(self, *arguments: str) -> None:
        self._run("prefect", "--no-prompt", *arguments)

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
                command, cwd=ROOT, env=self.environment, stdout=stream, stderr=stream, timeout=PATIENCE, check=False
            )
        assert done.returncode == 0, log.read_text()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    others = ("AWS_", "PREFECT_", "MEMSHIELD_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environment |= {"MEMSHIELD_HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    environment |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    made = Installation(tmp_path, environment)
    try:
        made.memshield("up")
        port = json.loads((tmp_path / "server.json").read_text())["port"]
        environment["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        yield made
    finally:
        environment.pop("PREFECT_API_URL", None)
        made.memshield("down")


def arrive(clean: Path, crawl: str, *shards: str) -> None:
    """The files of these shards, in the store."""
    for name, data in contents(LocalFolder(clean)).items():
        if name.partition(".")[0].removesuffix("_stats") in shards:
            write_bytes(open_folder(crawl), name, data)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_night_and_what_it_triggers_on_a_worker_that_has_its_keys_from_blocks(
    installation: Installation, swift: SwiftServer, clean_corpus: Path, smoke: RunConfig
) -> None:
    client(swift.endpoint).create_bucket(Bucket="nights")
    crawl, test, dest, victims = (f"s3://nights/{name}" for name in ("crawl", "test", "published", "victims"))
    installation.keep("memshield-s3-key-id", KEY)
    installation.keep("memshield-s3-secret", SECRET)
    installation.prefect("variable", "set", "memshield_s3_endpoint", swift.endpoint)
    installation.prefect("variable", "set", "memshield_s3_region", "us-east-1")
    template = "deployments/work-pools/s3-blocks.json"
    installation.prefect("work-pool", "update", "memshield-cpu", "--base-job-template", template)

    with credentials(swift.endpoint):
        arrive(clean_corpus / "train", crawl, "00000")
        arrive(clean_corpus / "test", test, "00000")
    runtime = smoke.runtime.model_dump(mode="json")
    settings = {"config": smoke.protect.model_dump(mode="json"), "runtime": runtime, "seed": smoke.seed}
    first = installation.run("protect/protect", clean=crawl, dest=dest, **settings)
    assert first.is_completed(), first.message

    with credentials(swift.endpoint):
        arrive(clean_corpus / "train", crawl, "00001", "00002")
    then = Measure(test=test, out=victims, victim=smoke.victim, evaluate=smoke.evaluate, runtime=smoke.runtime)
    night = installation.run(
        "nightly/nightly", clean=crawl, dest=dest, runtime=runtime, then=then.model_dump(mode="json")
    )
    assert night.is_completed(), night.message
    with credentials(swift.endpoint):
        (corpus,) = read_status(dest, crawl).corpora
        assert (corpus.done, corpus.pending, corpus.finished) == (3, 0, True)
        found = open_folder(victims)
        wait_until(lambda: any(name.endswith("/evaluation.json") for name in found.names()), PATIENCE)
        assert len([name for name in found.names() if name.endswith("/victim.json")]) == 1

    installation.keep("memshield-s3-secret", WRONG)
    refused = installation.run("nightly/nightly", clean=crawl, dest=dest, runtime=runtime)
    assert refused.is_failed()
    assert "the store refused" in refused.message
    said = installation.records()
    assert dest in said
    assert SECRET not in said
    assert WRONG not in said
