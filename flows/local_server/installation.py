"""Work pools, deployments, automations and a worker: what turns a Prefect server into an installation of memshield."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.local_server import automations, choices
from flows.local_server.logs import trim_logs
from flows.local_server.processes import end, is_running
from flows.local_server.records import HEARTBEATS
from flows.local_server.server import home
from mem_core.common.errors import ConfigError, StopRun

Tell = Callable[[str], None]

POOLS = ("memshield-cpu", "memshield-gpu")
OFF = "off"
"""In place of a block's name: no alerts."""

_DEFINITIONS = Path("prefect.yaml")
_RUNS_AT_ONCE = 2  # of one worker; each of them may use all cores
_STOP_SECONDS = 30.0  # in which a worker tells its runs; they go on from their receipts when they are run again
_PATIENCE = 300.0  # seconds for one command of Prefect's, on a busy machine


def deploy(device_pool: str, notify: str | None, tell: Tell) -> None:
    """Makes or renews everything that a server knows about memshield; safe to repeat.

    device_pool: where deployments with the tag `device` go. notify: the notification block that alerts are sent to,
    `off` for none; None leaves alerts as they are. Reads prefect.yaml of the current folder: deployments mean the code
    at this place. Raises `ConfigError` without it, for a block that is not there and for a server of another version
    of Prefect, `StopRun` with Prefect's words if it refuses.
    """
    if not _DEFINITIONS.is_file():
        raise ConfigError(f"expected {_DEFINITIONS} in {Path.cwd()}: go to the repository's root")
    if device_pool not in POOLS:
        raise ConfigError(f"expected a device pool out of {', '.join(POOLS)}, got {device_pool!r}")
    _require_same_prefect()
    alerts = automations.alerts_to(_ask, notify) if notify not in (None, OFF) else []
    _make_pools(tell)
    tell("deployments ...")
    before = choices.deployed()
    _prefect("deploy", "--all")
    for kept in choices.restore(before):
        tell(f"{kept}: parameters and schedule stay as they were set on the server")
    _place_on(device_pool, tell)
    for name in automations.renew(_ask, [*automations.watching(), *alerts]):
        tell(f"automation: {name}")
    _say_who_is_told(notify, tell)


def start_worker(pool: str, tell: Tell) -> int:
    """A worker that outlives this command; returns its process id. Where ours works already, that one is kept, unless
    it asks at an address where its server was before."""
    record, url = _record(pool), os.environ.get("PREFECT_API_URL", "")
    known = _recorded(record)
    if known is not None and _read(record).get("url", url) == url:
        tell(f"worker of {pool} is running (process {known})")
        return known
    if known is not None:
        end(known, _STOP_SECONDS)
    trim_logs(home())
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--limit", str(_RUNS_AT_ONCE)]
    with (home() / f"worker-{pool}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_environment()
        )
    record.write_text(json.dumps({"pid": process.pid, "url": url}) + "\n")
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
            if "memshield" in found.tags and "device" in found.tags and found.work_pool_name != pool:
                client.update_deployment(found.id, DeploymentUpdate(work_pool_name=pool))
                tell(f"{found.name} on {pool}")


def _say_who_is_told(notify: str | None, tell: Tell) -> None:
    names = [alert["name"] for alert in automations.alerts()]
    if notify == OFF:
        gone = automations.remove(_ask, names)
        tell(f"alerts: off, {len(gone)} removed")
    elif notify is not None:
        tell(f"alerts: to {notify}")
    else:
        there = automations.known_among(_ask, names)
        kept = "as they were" if there else "off: name a notification block with --notify"
        tell(f"alerts: {kept}")


def _ask(method: str, path: str, body: Any) -> Any:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        answer = client.request(method, path, json=body)  # type: ignore[arg-type]
        return answer.json() if answer.content else None


def _require_same_prefect() -> None:
    """Raises `ConfigError` for a server that does not know what ours would tell it."""
    ours, theirs = version("prefect"), str(_ask("GET", "/admin/version", None))
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise ConfigError(
            f"expected a server of Prefect {ours} at {os.environ.get('PREFECT_API_URL')}, but it is {theirs}: install "
            "the same version there, from requirements.lock"
        )


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
    return plain | HEARTBEATS


def _record(pool: str) -> Path:
    home().mkdir(parents=True, exist_ok=True)
    return home() / f"worker-{pool}.json"


def _recorded(record: Path) -> int | None:
    """The worker's process id, if that process is one."""
    pid = _read(record).get("pid")
    return pid if isinstance(pid, int) and is_running(pid, "prefect worker start") else None


def _read(record: Path) -> dict[str, Any]:
    try:
        read = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
