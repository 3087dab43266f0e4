"""What a task shows of its progress in the UI and in its log, and that it never fails over that."""

import logging
from collections.abc import Callable

import pytest
from prefect import flow, get_client, task

from tasks import progress
from tasks.progress import say, watched


def bars(name: str) -> list[float]:
    """The progress artifacts whose title begins so, in percent."""
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={"sort": "CREATED_DESC"}).json()
    return [artifact["data"] for artifact in found if (artifact["description"] or "").startswith(name)]


def run(title: str, look: Callable[[], None] = lambda: None) -> None:
    """A task of a flow that reports twice, and then looks."""

    @task
    def work() -> None:
        with watched(title) as told:
            told(1, 4, "of a shard")
            told(2, 4)
            look()

    @flow
    def over_all() -> None:
        work()

    over_all()


def test_outside_of_runs_nothing_is_needed() -> None:
    with watched("alone") as told:
        told(1, 2)
    say("nobody listens")


def test_longer_work_has_a_bar_that_goes_with_it(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []
    run("quick work", lambda: seen.append(bars("quick work")))
    monkeypatch.setattr(progress, "_BETWEEN_UPDATES", 0.0)
    run("longer work", lambda: seen.append(bars("longer work")))
    assert seen == [[], [50.0]]
    assert bars("longer work") == []


def test_the_log_has_a_line_now_and_then(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "_BETWEEN_LOG_LINES", 0.0)
    with caplog.at_level(logging.INFO, logger="prefect.task_runs"):
        run("logged work")
    assert "1 of 4 of a shard" in caplog.text


def test_a_server_that_is_gone_stops_no_work(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(progress, "_BETWEEN_UPDATES", 0.0)
    monkeypatch.setattr(progress, "create_progress_artifact", gone)
    run("work without a server")
    assert caplog.text.count("progress is no longer shown: nobody there") == 1
