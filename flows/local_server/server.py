"""A Prefect server of our own on loopback: started when needed, shared by all commands, stopped by `server stop`.

A server that is named by PREFECT_API_URL is used as it is, and nothing is started. Nothing here imports Prefect: its
settings are read from the environment when it is first imported, which is why `use_server` must come before that.

Prefect's own `server start --background` does not do (3.8.8): it takes no free port and does not wait until the server
answers, its server writes into a pipe that nobody reads, so that no log says why one ended; `server stop` sends a
signal to whatever process has the stored id by now, and of two commands that start at once the second fails.
"""

import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from flows.local_server import automations
from flows.local_server.answering import require_answer
from flows.local_server.environment import NOT_OF_THIS_FOLDER, QUIET, SILENT_CONSOLE
from flows.local_server.logs import trim_logs
from flows.local_server.processes import end, is_running
from flows.local_server.records import HEARTBEATS, RECORDS
from mem_core.common.errors import ConfigError, StopRun
from mem_core.config import Frozen
from mem_core.protect.key_place import KeyPlace

_HOST = "127.0.0.1"
_USUAL_PORT = 4200  # Prefect's
_START_SECONDS = 300.0  # on a busy machine; an idle one takes five to fifteen
_BUSY_SECONDS = 60.0  # for a server that is up and has its hands full
_ANSWER_SECONDS = 5.0  # for one request, of many
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.3


class Server(Frozen):
    """A server we started. url: of its API."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """Where clients send their requests."""
        return f"http://{_HOST}:{self.port}/api"

    @property
    def ui(self) -> str:
        """Where people look."""
        return f"http://{_HOST}:{self.port}"


def home() -> Path:
    """Where the server keeps its database and its log: MEMSHIELD_HOME, or ~/.memshield."""
    return Path(os.environ.get("MEMSHIELD_HOME", "~/.memshield")).expanduser().absolute()


def estimates() -> str:
    """Where this installation keeps what `estimate` said and what runs then took."""
    return str(home() / "estimates")


def scratch(address: str) -> str:
    """A folder on this machine for work whose results go to an address in a store: the same one each time."""
    return str(home() / "scratch" / hashlib.sha256(address.encode()).hexdigest()[:16])


def keys(file: str | None) -> KeyPlace:
    """Where this installation keeps the secret keys of twins; file: where that of one corpus lies, if elsewhere."""
    return KeyPlace(folder=str(home() / "keys"), file=file or "")


def use_server(tell: Callable[[str], None]) -> str:
    """Points this process's Prefect to a server, started if need be; returns the address of its UI.

    Raises `ConfigError` if the one that PREFECT_API_URL names does not answer, or refuses us.
    """
    os.environ.update(QUIET | SILENT_CONSOLE | HEARTBEATS)
    given = os.environ.get("PREFECT_API_URL")
    if given:
        require_answer(given)
        return given.removesuffix("/").removesuffix("/api")
    server = running()
    if server is None:
        tell("starting the Prefect server ...")
        server = start()
    os.environ["PREFECT_HOME"] = str(_prefect_home())
    os.environ["PREFECT_API_URL"] = server.url
    return server.ui


def start() -> Server:
    """The running server, or a new one once it answers. Raises `StopRun` if it does not."""
    with _alone():
        known = running()
        if known is not None:
            return known
        trim_logs(home())
        server, process = _launched()
        while not _is_up(server, process):  # another installation was faster to take the port
            end(process.pid, _STOP_SECONDS)
            server, process = _launched()
        automations.renew(automations.asking(server.url), automations.watching())
        _record().write_text(server.model_dump_json() + "\n")
        _last_port().write_text(f"{server.port}\n")
        return server


def stop() -> Server | None:
    """Ends the server that we started; None if there is none."""
    with _alone():
        known = _recorded()
        if known is None or not _is_alive(known):
            _record().unlink(missing_ok=True)
            return None
        end(known.pid, _STOP_SECONDS)
        _record().unlink(missing_ok=True)
        return known


def running() -> Server | None:
    """The server that we started, if it is there. A busy one is waited for: a second one must not be put beside it.

    Raises `StopRun` if it does not answer for a minute.
    """
    known = _recorded()
    if known is None or not _is_alive(known):
        return None
    if place := _home_once_up(known, _BUSY_SECONDS, partial(_is_alive, known)):
        return known if place == str(_prefect_home()) else None
    if _is_alive(known):
        raise StopRun(
            f"expected the Prefect server at {known.ui} to answer within {_BUSY_SECONDS:g} s, but it did not "
            f"and its process {known.pid} is there: see {home() / 'server.log'}; `memshield server stop` ends it"
        )
    return None


def _is_alive(server: Server) -> bool:
    return is_running(server.pid, " ".join(_command(server.port)))


def _record() -> Path:
    return home() / "server.json"


def _last_port() -> Path:
    """Outlives the server: bookmarks, the addresses in alerts and workers name its port."""
    return home() / "server.port"


def _prefect_home() -> Path:
    return home() / "prefect"


def _recorded() -> Server | None:
    try:
        return Server.model_validate_json(_record().read_text())
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def _alone() -> Iterator[None]:
    """Two commands that start at once must not start two servers."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        file = (home() / "server.lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"expected a folder to keep records in at {home()}, but it cannot be written ({error.strerror}): set "
            "MEMSHIELD_HOME to one that can, or give --no-server"
        ) from error
    with file as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _free_port() -> int:
    """The last one, where people and workers look for the server; else Prefect's usual one if it is free, else any."""
    for port in (*_port_before(), _USUAL_PORT, 0):
        with socket.socket() as probe, suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a killed server linger
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    raise StopRun(f"expected a free port on {_HOST} for the Prefect server, but there is none")


def _port_before() -> list[int]:
    try:
        return [int(_last_port().read_text())]
    except (FileNotFoundError, ValueError):
        return []


def _server_environment(port: int) -> dict[str, str]:
    api = f"http://{_HOST}:{port}/api"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    kept = RECORDS | {name: os.environ[name] for name in RECORDS if name in os.environ}
    return plain | QUIET | NOT_OF_THIS_FOLDER | kept | {"PREFECT_HOME": str(_prefect_home()), "PREFECT_API_URL": api}


def _command(port: int) -> list[str]:
    serve = "flows.local_server.serve"
    return ["-m", serve, "prefect", "server", "start", "--host", _HOST, "--port", str(port)]


def _launched() -> tuple[Server, "subprocess.Popen[bytes]"]:
    port = _free_port()
    with (home() / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *_command(port)],
            env=_server_environment(port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives the command, and a Ctrl-C meant for that
        )
    return Server(pid=process.pid, port=port), process


def _is_up(server: Server, process: "subprocess.Popen[bytes]") -> bool:
    """Waits until the port answers: True if it is our server that does. Raises `StopRun` if nobody does."""
    place = _home_once_up(server, _START_SECONDS, lambda: process.poll() is None)
    if place:
        return place == str(_prefect_home())
    if process.poll() is not None:
        raise StopRun(f"expected the Prefect server to start, but it ended: see {home() / 'server.log'}")
    end(process.pid, _STOP_SECONDS)
    raise StopRun(f"expected the Prefect server to answer within {_START_SECONDS:g} s: see {home() / 'server.log'}")


def _home_once_up(server: Server, seconds: float, alive: Callable[[], bool]) -> str:
    """Waits until the port answers; where its server keeps its records, nothing if the process ended or time is up."""
    deadline = time.monotonic() + seconds
    while not (place := _home_of(server)) and alive() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return place


def _home_of(server: Server) -> str:
    """Where the server that answers at this port keeps its records; nothing if none does."""
    try:
        with urllib.request.urlopen(f"{server.url}/admin/settings", timeout=_ANSWER_SECONDS) as answer:
            return str(json.load(answer)["home"])
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return ""
