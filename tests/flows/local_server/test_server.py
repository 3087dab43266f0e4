"""Our own Prefect server: started, shared, stopped."""

from pathlib import Path

import pytest

from flows.local_server import server


def test_one_server_is_started_found_again_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert server.running() is None
    assert server.stop() is None
    try:
        started = server.start()
        assert server.start() == started == server.running()
        assert started.url.startswith("http://127.0.0.1:")
        assert (tmp_path / "home/prefect").is_dir()
    finally:
        stopped = server.stop()
    assert stopped == started
    assert server.running() is None


def test_a_record_of_a_process_that_is_no_server_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path))
    (tmp_path / "server.json").write_text('{"pid": 1, "port": 4200}')
    assert server.running() is None
    assert server.stop() is None  # and process 1 is still there
    (tmp_path / "server.json").write_text("not JSON")
    assert server.running() is None


def test_a_server_named_by_the_user_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"PREFECT_API_URL": "http://example.org/api", "MEMSHIELD_HOME": str(tmp_path)})
    assert server.use_server(print) == "http://example.org"
    assert not (tmp_path / "server.json").exists()
