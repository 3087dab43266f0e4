"""Our own Prefect server: started, shared, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest
from prefect.settings import Settings

from flows.local_server import automations, server
from mem_core.common.errors import ConfigError, StopRun
from tests.support.command_line import Command


def test_one_server_is_started_found_again_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert server.running() is None
    assert server.stop() is None
    try:
        with socket.socket() as usual:
            with suppress(OSError):  # somebody has Prefect's usual port, this test or another server
                usual.bind(("127.0.0.1", 4200))
                usual.listen()
            started = server.start()
        assert server.start() == started == server.running()
        os.kill(started.pid, signal.SIGSTOP)  # as one whose machine is busy, it does not answer now
        monkeypatch.setattr("flows.local_server.server._ANSWER_SECONDS", 0.5)
        Timer(1.5, os.kill, (started.pid, signal.SIGCONT)).start()
        assert server.start() == started  # and no second one was put beside it
        assert started.url.startswith("http://127.0.0.1:")
        assert (tmp_path / "home/prefect").is_dir()
        monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "other"))  # which is not taken for that of another home
        (tmp_path / "other").mkdir()
        (tmp_path / "other/server.json").write_text(started.model_dump_json())
        assert server.running() is None
        monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
        assert watched_by(started.url) >= {automation["name"] for automation in automations.watching()[:2]}
    finally:
        stopped = server.stop()
    assert stopped == started
    assert server.running() is None
    assert server._free_port() == started.port != 4200  # bookmarks and the addresses in alerts stay good
    with socket.socket() as taken:  # by another installation, say
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", started.port))
        taken.listen()
        assert server._free_port() != started.port


def test_a_server_that_never_answers_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path))
    monkeypatch.setattr("flows.local_server.server._BUSY_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)", *server._command(port)]
        with subprocess.Popen(sleeper) as process:
            (tmp_path / "server.json").write_text(json.dumps({"pid": process.pid, "port": port}))
            with pytest.raises(
                StopRun, match=f"its process {process.pid} is there: see .*server.log.*`memshield server"
            ):
                server.start()
            process.kill()
    assert server.running() is None


def watched_by(url: str) -> set[str]:
    """The automations of a server."""
    ask = urllib.request.Request(f"{url}/automations/filter", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=60) as answer:
        return {automation["name"] for automation in json.load(answer)}


def test_a_record_of_a_process_that_is_no_server_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path))
    (tmp_path / "server.json").write_text('{"pid": 1, "port": 4200}')
    assert server.running() is None
    assert server.stop() is None  # and process 1 is still there
    (tmp_path / "server.json").write_text("not JSON")
    assert server.running() is None


def test_a_server_named_by_the_user_is_used_as_it_is(
    prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {"PREFECT_API_URL": prefect_api, "MEMSHIELD_HOME": str(tmp_path)})
    assert f"{server.use_server(print)}/api" == prefect_api
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/api", "Connection refused"),
        ("http://nowhere.invalid/api", "nowhere.invalid"),
        ("nonsense", "unknown url type"),
        ("{ours}", "its address ends in /api"),
    ],
)
def test_a_server_that_is_not_there_is_one_sentence(
    prefect_api: str, command: Command, monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address.replace("{ours}", prefect_api.removesuffix("/api")))
    for arguments in (
        ("verify", "clean", "protected"),
        ("deploy",),
        ("up",),
        ("reproduce", "dest", "--scale", "smoke"),
    ):
        refused = command(*arguments)
        assert refused.exit_code == 1, refused.output
        lines = refused.stderr.strip().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("memshield: expected a Prefect server at ")
        assert why in lines[0]


def test_a_command_without_a_server_touches_nobody_elses_records(
    prefect_api: str, clean_corpus: Path, tmp_path: Path
) -> None:
    """Whatever the user has set: a server, a home, a profile, a database, a file in the folder."""
    from prefect import get_client

    database = tmp_path / "mine.db"
    prefect_home = tmp_path / "home" / ".prefect"
    prefect_home.mkdir(parents=True)
    (prefect_home / "profiles.toml").write_text(
        f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{prefect_api}"\n'
        f'PREFECT_SERVER_DATABASE_CONNECTION_URL = "sqlite+aiosqlite:///{database}"\n'
    )
    (tmp_path / "prefect.toml").write_text(f'[api]\nurl = "{prefect_api}"\n')
    (tmp_path / "temporary").mkdir()
    mine = {
        "HOME": str(tmp_path / "home"),
        "MEMSHIELD_HOME": str(tmp_path / "memshield"),
        "PREFECT_API_URL": prefect_api,
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_PROFILE": "mine",
        "TMPDIR": str(tmp_path / "temporary"),
    }
    with get_client(sync_client=True) as client:
        before = client.request("POST", "/flow_runs/count").json()
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "preview", tmp_path / "none", "--clean", tmp_path, "--no-server"],
            cwd=tmp_path,
            env=os.environ | mine,
            capture_output=True,
            text=True,
            check=False,
        )
        assert client.request("POST", "/flow_runs/count").json() == before
    assert done.returncode == 1
    assert "expected" in done.stderr.splitlines()[-1], done.stderr
    assert not {"Traceback", "ERROR"} & set(done.stderr.split())
    assert [path.name for path in prefect_home.iterdir()] == ["profiles.toml"]
    assert not database.exists()
    assert not (tmp_path / "memshield").exists()
    assert not list((tmp_path / "temporary").glob("memshield-*"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "file/home"))
    with pytest.raises(ConfigError, match=r"file/home, but it cannot be written .*set MEMSHIELD_HOME"):
        server.start()


def test_our_servers_keep_records_for_a_time_whatever_prefect_does_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P3D")  # the user's word is kept
    made = server._server_environment(4200)
    assert made["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] == "P3D"
    assert made["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events,flow_runs"
    with monkeypatch.context() as patched:
        patched.setattr("os.environ", made)
        kept = Settings().server
    assert kept.services.db_vacuum.enabled_vacuum_types >= {"events", "flow_runs"}
    assert kept.services.db_vacuum.retention_period.days == 90
    assert kept.concurrency.lease_storage.endswith("filesystem")
