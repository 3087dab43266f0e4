"""Nights played fast in a real installation: shards arrive, processes are killed, and somebody is told."""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment

from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.data.receipt import has_receipt
from tests.chaos.installation import PATIENCE, ROOT, Installation
from tests.support.waiting import wait_until

Moment = Literal["pending", "running", "middle", "end"]
MOMENTS: tuple[Moment, ...] = ("pending", "running", "middle", "end")
DEPLOYMENT = "nightly/nightly"
_ORDERING = (
    "flows/local_server/records.py",
    [("RECORDS = {", 'RECORDS = {"PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "faster_ordering",')],
)


@dataclass(frozen=True)
class Clocks:
    """What is replaced in the code to make it run faster, and Prefect's order of events as it is then."""

    changes: dict[str, list[tuple[str, str]]]
    ordering: str


OF_THE_DEAD = Clocks(  # clocks run faster, but a busy machine takes a minute to begin a run
    {
        "deployments/automations.yaml": [
            ("within: 300", "within: 90"),
            ("within: 600", "within: 150"),
            ("within: 21600", "within: 1"),
        ],
        "tasks/stale_runs.py": [("timedelta(minutes=5)", "timedelta(seconds=90)")],
    },
    '''"""Prefect's order of events, which waits a minute, not 15, for what a killed server has seen."""
from datetime import timedelta
from prefect.server.events.ordering import memory
memory.PRECEDING_EVENT_LOOKBACK = timedelta(seconds=60)
CausalOrdering = memory.CausalOrdering
''',
)
OF_THE_LATE = Clocks(
    {"deployments/alerts.yaml": [("within: 900", "within: 20")]},
    '''"""Prefect's order of events, for which a run was planned long ago after 5 seconds, not 5 minutes: nights are."""
from datetime import timedelta
from prefect.server.events.ordering.memory import CausalOrdering
from prefect.server.models import events
events._timing_is_tight = lambda at, before: bool(before) and abs(at - before.timestamp) < timedelta(seconds=5)
''',
)


def faster_code(folder: Path, clocks: Clocks = OF_THE_DEAD) -> Path:
    """A copy of the code in which waiting takes seconds, not minutes."""
    for name in ("mem_core", "tasks", "flows", "deployments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", folder)
    for name, changes in (*clocks.changes.items(), _ORDERING):
        text = (folder / name).read_text()
        for slow, fast in changes:
            assert slow in text, f"expected {slow!r} in {name}"
            text = text.replace(slow, fast)
        (folder / name).write_text(text)
    (folder / "faster_ordering.py").write_text(clocks.ordering)
    return folder


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """The address of a webhook, and the texts that were sent there."""
    heard: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def tell_at(installation: Installation, address: str) -> None:
    """Alerts to a webhook, as a person sets it up."""
    from prefect.blocks.webhook import Webhook

    with installation.entered():
        Webhook(url=address, headers={"Content-Type": "application/json"}).save("night-watch")
    installation.memshield("deploy", "--notify", "webhook/night-watch")


@dataclass
class Nights:
    """A crawl that grows, its destination, and the runs of the deployment `nightly`."""

    installation: Installation
    arrived: Folder
    crawl: Folder
    dest: Folder
    runtime: dict[str, Any]
    ended: dict[UUID, str] = field(default_factory=dict)

    def arrive(self, *shards: str) -> None:
        """The files of these shards, whole."""
        for name in list(self.arrived.names()):
            if name.partition(".")[0].removesuffix("_stats") in shards:
                write_bytes(self.crawl, name, read_bytes(self.arrived, name))

    def spoil(self, shard: str) -> None:
        """A tar that the crawler cut short."""
        write_bytes(self.crawl, f"{shard}.tar", read_bytes(self.arrived, f"{shard}.tar")[:700])

    def begin(self) -> FlowRun:
        parameters = {"clean": self.crawl.uri, "dest": self.dest.uri, "runtime": self.runtime}
        with self.installation.entered():
            return run_deployment(DEPLOYMENT, parameters=parameters, timeout=0)  # type: ignore[return-value]

    def runs(self) -> list[FlowRun]:
        """All there are: the server gives at most 200 at once."""
        found: list[FlowRun] = []
        with self.installation.entered(), get_client(sync_client=True) as client:
            while page := client.read_flow_runs(limit=200, offset=len(found), sort=FlowRunSort.START_TIME_ASC):
                found += page
        return found

    def state(self, run: FlowRun) -> str:
        with self.installation.entered(), get_client(sync_client=True) as client:
            return str(client.read_flow_run(run.id).state_name)

    def wait_for(self, run: FlowRun, moment: Moment, shards: tuple[str, ...]) -> None:
        """Until the run is there, or past it."""
        states = {"pending": {"Pending", "Submitting"}, "running": {"Running"}}.get(moment, set())
        over = {"Completed", "Failed", "Crashed", "Cancelled"}

        def reached() -> bool:
            now = self.state(run)
            done = [has_receipt(self.dest, shard) for shard in shards]
            return now in states | over or (moment == "middle" and any(done)) or (moment == "end" and all(done))

        wait_until(reached, PATIENCE)

    def kill(self, *, server: bool) -> None:
        """SIGKILL for the worker and the runs it is at; for the server, too."""
        kill_worker(self.installation)
        if server:
            os.killpg(self.installation.process("server")["pid"], signal.SIGKILL)

    def settle(self) -> dict[UUID, str]:
        """Waits until no run is under way any more; returns the runs that ended since the last time, by state."""

        seen: list[FlowRun] = []

        def over() -> bool:
            seen[:] = self.runs()  # looked at once: a run that begins meanwhile is one of the next time
            return all(run.state is not None and run.state.is_final() for run in seen)

        wait_until(over, PATIENCE)
        now = {run.id: str(run.state_name) for run in seen}
        new = {run: state for run, state in now.items() if run not in self.ended}
        self.ended = now
        return new

    def settled_with(self, state: str, ended: dict[UUID, str]) -> Callable[[], dict[UUID, str]]:
        """For `wait_until`: settles again until a run has ended so; what has ended since, with what had before."""

        def found() -> dict[UUID, str]:
            ended.update(self.settle())
            return ended if state in ended.values() else {}

        return found


def worker_of(installation: Installation) -> int:
    """The process of the CPU worker."""
    return int(installation.process("worker-memshield-cpu")["pid"])


def runs_of_worker(installation: Installation) -> list[int]:
    """The processes of the runs that the CPU worker is at; each has a session of its own."""
    command = ["ps", "-o", "pid=", "--ppid", str(worker_of(installation))]
    return [int(pid) for pid in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()]


def kill_worker(installation: Installation) -> None:
    """SIGKILL for the CPU worker and the runs it is at."""
    for pid in (worker_of(installation), *runs_of_worker(installation)):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def told_of(heard: list[str]) -> Counter[str]:
    """How often each run was named, by the id at the end of its address."""
    texts = [json.loads(said)["text"] for said in heard]
    return Counter(text.strip().rpartition("/")[2] for text in texts)


def moments(rng: random.Random) -> Iterator[Moment]:
    """When nights are killed: in any order, and of four in a row each at another moment."""
    while True:
        yield from rng.sample(MOMENTS, len(MOMENTS))
