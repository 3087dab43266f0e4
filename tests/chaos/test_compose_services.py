"""The services of compose.yaml as processes, with the commands and environments that stand there.

Only the engine and the images are missing: the database is a real Postgres, the store a real S3 server.
"""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.local_server.server import _free_port
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from tests.s3.swift_server import KEY, SECRET, SwiftServer, client
from tests.support.own_venv import ROOT
from tests.support.postgres import postgres
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "deployments/compose.yaml").read_text())["services"]
VALUES = {
    "PREFECT_AUTH": "admin:of-the-server",
    "POSTGRES_PASSWORD": "ofthedatabase",
    "STORE_KEY_ID": KEY,
    "STORE_SECRET": SECRET,
    "DEVICE_POOL": "memshield-cpu",
}
PATIENCE = 300


class Compose:
    """One machine in place of compose's network. environment: of those who ask the server."""

    def __init__(self, home: Path, database: int, store: str) -> None:
        self.home, self.port = home, _free_port()
        self._addresses = {
            "database:5432": f"127.0.0.1:{database}",
            "http://server:4200": f"http://127.0.0.1:{self.port}",
            "http://127.0.0.1:4200": f"http://127.0.0.1:{self.port}",
            "http://store:9000": store,
        }
        self._begun: list[subprocess.Popen[bytes]] = []
        self.environment = self._environment("worker-cpu")

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        command = [self._filled(word) for word in SERVICES[name]["command"]]
        if name == "server":
            command = [str(self.port) if word == "4200" else word for word in command]
        module = {"memshield": "flows.cli", "prefect": "prefect"}[command[0]]
        with (self.home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *command[1:]],
                cwd=ROOT,
                env=self._environment(name),
                stdout=log,
                stderr=log,
            )
        self._begun.append(process)
        return process

    def run(self, *command: str) -> str:
        """What a person says from a machine that knows server and store."""
        words = [sys.executable, "-m", *command]
        done = subprocess.run(words, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def healthy(self) -> bool:
        """As the health check in compose.yaml asks."""
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.home.glob("*.log"))

    def stop(self) -> None:
        for process in reversed(self._begun):
            process.terminate()
            process.wait(60)

    def _environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "AWS_"))}
        own = {"HOME": str(self.home), "MEMSHIELD_HOME": str(self.home / ".memshield")}
        said = {key: self._filled(value) for key, value in SERVICES[name]["environment"].items()}
        return kept | own | {"PREFECT_HOME": str(self.home / name)} | said

    def _filled(self, value: str) -> str:
        filled = re.sub(r"\$\{(\w+):[?-][^}]*\}", lambda found: VALUES[found[1]], value)
        for there, here in self._addresses.items():
            filled = filled.replace(there, here)
        return filled


@pytest.fixture
def compose(tmp_path: Path, swift: SwiftServer) -> Iterator[Compose]:
    database = SERVICES["database"]["environment"]
    with postgres(database["POSTGRES_USER"], VALUES["POSTGRES_PASSWORD"], database["POSTGRES_DB"]) as port:
        made = Compose(tmp_path, port, swift.endpoint)
        try:
            yield made
        finally:
            made.stop()


def test_a_corpus_is_protected_by_the_services_behind_their_passwords(
    compose: Compose, swift: SwiftServer, tmp_path: Path
) -> None:
    server = compose.start("server")
    wait_until(lambda: compose.healthy() or server.poll() is not None, PATIENCE)
    assert compose.healthy(), compose.logs()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(f"{compose.address}/flows/filter", method="POST"), timeout=10)
    assert compose.start("setup").wait(PATIENCE) == 0, compose.logs()
    compose.start("worker-cpu")

    client(swift.endpoint).create_bucket(Bucket="compose")
    source = draw_corpus(tmp_path / "drawn", 48, 0, size=32, seed=3)
    compose.run("flows.cli", "shard", str(source), "s3://compose/clean", "--preset", "smoke")
    clean, dest = "s3://compose/clean/train", "s3://compose/protected"
    parameters = [f"--param={name}={value}" for name, value in (("clean", clean), ("dest", dest), ("preset", "smoke"))]
    compose.run("prefect", "deployment", "run", "protect/protect", *parameters, "--watch")
    assert "2 shards, 48 protected: 0 problems" in compose.run("flows.cli", "verify", clean, dest)
