"""Work pools, deployments, automations and a worker: what turns a Prefect server into an installation of memshield."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from flows.local_server.processes import end, is_running
from flows.local_server.server import home
from mem_core.common.errors import ConfigError, StopRun

Tell = Callable[[str], None]

POOLS = ("memshield-cpu", "memshield-gpu")
_DEFINITIONS, _AUTOMATIONS = Path("prefect.yaml"), Path("deployments/automations.yaml")
_RUNS_AT_ONCE = 2  # of one worker; each of them may use all cores
_STOP_SECONDS = 30.0  # in which a worker tells its runs; they go on from their receipts when they are run again
_PATIENCE = 300.0  # seconds for one command of Prefect's, on a busy machine


def deploy(device_pool: str, tell: Tell) -> None:
    """Makes or renews everything that a server knows about memshield; safe to repeat.

    device_pool: where deployments with the tag `gpu` go. Reads prefect.yaml of the current folder: deployments mean
    the code at this place. Raises `ConfigError` without it, `StopRun` with Prefect's words if it refuses.
    """
    if not _DEFINITIONS.is_file() or not _AUTOMATIONS.is_file():
        raise ConfigError(f"expected {_DEFINITIONS} and {_AUTOMATIONS} in {Path.cwd()}: go to the repository's root")
    if device_pool not in POOLS:
        raise ConfigError(f"expected a device pool out of {', '.join(POOLS)}, got {device_pool!r}")
    _make_pools(tell)
    tell("deployments ...")
    _prefect("deploy", "--all")
    _place_on(device_pool, tell)
    _make_automations(tell)


def start_worker(pool: str, tell: Tell) -> int:
    """A worker that outlives this command; returns its process id. Where ours works already, that one is kept."""
    record = _record(pool)
    known = _recorded(record)
    if known is not None:
        tell(f"worker of {pool} is running (process {known})")
        return known
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--limit", str(_RUNS_AT_ONCE)]
    with (home() / f"worker-{pool}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_environment()
        )
    record.write_text(json.dumps({"pid": process.pid}) + "\n")
    tell(f"worker of {pool} started (process {process.pid}, log in {home()})")
    return process.pid


def stop_workers() -> list[int]:
    """Ends the workers that we started, and with them the runs they are at; returns their process ids."""
    stopped = []
    for record in sorted(home().glob("worker-*.json")):
        pid = _recorded(record)
        if pid is not None:
            end(pid, _STOP_SECONDS)
            stopped.append(pid)
        record.unlink(missing_ok=True)
    return stopped


def _make_pools(tell: Tell) -> None:
    from prefect import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    with get_client(sync_client=True) as client:
        for pool in POOLS:
            with suppress(ObjectAlreadyExists):  # maybe of another type, such as kubernetes: it is yours
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
                tell(f"work pool {pool}")


def _place_on(pool: str, tell: Tell) -> None:
    """prefect.yaml has everything on the CPU pool, so that one worker is enough for a start."""
    from prefect import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    with get_client(sync_client=True) as client:
        for found in client.read_deployments():
            if "memshield" in found.tags and "gpu" in found.tags and found.work_pool_name != pool:
                client.update_deployment(found.id, DeploymentUpdate(work_pool_name=pool))
                tell(f"{found.name} on {pool}")


def _make_automations(tell: Tell) -> None:
    """Those of the file replace what the server has under their names."""
    import yaml
    from prefect.automations import Automation

    for values in yaml.safe_load(_AUTOMATIONS.read_text()):
        wanted = Automation.model_validate(values)
        with suppress(ValueError):  # there is none of the name
            cast(Automation, Automation.read(name=wanted.name)).delete()
        wanted.create()
        tell(f"automation: {wanted.name}")


def _prefect(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).splitlines()
        last = next((line.strip() for line in reversed(said) if line.strip()), f"it ended with {done.returncode}")
        raise StopRun(f"expected `prefect {' '.join(arguments)}` to succeed, but: {last}")


def _environment() -> dict[str, str]:
    """A worker shows its runs' lines in its log, and sends heartbeats for them."""
    plain = {name: value for name, value in os.environ.items() if name != "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"}
    return plain | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}


def _record(pool: str) -> Path:
    home().mkdir(parents=True, exist_ok=True)
    return home() / f"worker-{pool}.json"


def _recorded(record: Path) -> int | None:
    """The worker's process id, if that process is one."""
    try:
        pid = int(json.loads(record.read_text())["pid"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return pid if is_running(pid, "prefect worker start") else None
