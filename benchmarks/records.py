"""How large the records of a year of nights get on a server with our settings (SQLite).

    python -m benchmarks.records [--nights 365] [--shards 10] [--heartbeats 480]

A real Prefect server records one real night: a flow with the tasks, log lines and page of a night, and the heartbeats
of four hours. The pixels of its picture are drawn by lot, so that it is as large as one can be. The other nights are
copies of its rows in the database. After each night all that is there is made a day older, after each week the server's
own clearing runs, every two seconds here instead of every hour. Prints the size of the database after every fourth
week.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

WEEK = 7
_KEPT = {"flow_run": ("end_time", 90), "events": ("occurred", 7), "event_resources": ("occurred", 7)}  # days
_TABLES = (
    "flow_run",
    "flow_run_state",
    "task_run",
    "task_run_state",
    "log",
    "artifact",
    "events",
    "event_resources",
)
_PATIENCE = 900.0

Night = dict[str, list[dict[str, Any]]]
"""Table -> its rows."""


def main() -> None:
    parser = argparse.ArgumentParser(description="The size of a year's records.")
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--heartbeats", type=int, default=480, help="of a night; 480 are four hours")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memshield-records-") as folder, _server(Path(folder)) as database:
        _night()(chosen.shards, chosen.heartbeats)
        night = _recorded(database, chosen.heartbeats)
        for number in range(2, chosen.nights + 1):
            _make_older(database)
            _repeat(database, night)
            if number % WEEK == 0:
                _wait_until_cleared(database)
            if number % (4 * WEEK) == 0 or number == chosen.nights:
                size, log = (_megabytes(database, suffix) for suffix in ("", "-wal"))
                print(f"{number:4d} nights: {size} MB, its log {log} MB, {_counts(database)}", flush=True)


@contextmanager
def _server(home: Path) -> Iterator[Path]:
    """A server with the settings that all of ours have; yields its database."""
    os.environ["MEMSHIELD_HOME"] = str(home)
    from flows.local_server import server

    faster = {"PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "2"}
    port = server._free_port()
    command = [sys.executable, *server._command(port)]
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=server._server_environment(port) | faster, stdout=log, stderr=log)
    try:
        if not server._is_up(server.Server(pid=process.pid, port=port), process):
            sys.exit(f"expected port {port} to stay free: run it again")
        os.environ |= {"PREFECT_HOME": str(home / "prefect"), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        os.environ |= {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
        yield home / "prefect/prefect.db"
    finally:
        process.terminate()
        process.wait(60)


def _night() -> Any:
    """A flow that records what a night records, and computes nothing."""
    from prefect import flow, get_run_logger
    from prefect.artifacts import create_markdown_artifact
    from prefect.context import FlowRunContext
    from prefect.events import emit_event

    from mem_core.common.formatting import markdown_table
    from tasks.options import step
    from tasks.result_pages import _NIGHT_HEADER, _inside

    @step("publish shard", run_name="publish {shard}")
    def publish_shard(shard: str) -> str:
        get_run_logger().info("%s: 10000 protected, largest difference 8/255, 93 samples a second", shard)
        return shard

    @step("plan night", run_name="plan night")
    def plan_night() -> None:
        get_run_logger().info("10 new shards, 3650 finished before")

    @flow(name="nightly", flow_run_name="nightly into s3://publish/corpus")
    def nightly(shards: int, heartbeats: int) -> None:
        plan_night()
        run = FlowRunContext.get().flow_run  # type: ignore[union-attr]
        about = {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}  # type: ignore[union-attr]
        for beat in range(heartbeats):
            emit_event("prefect.flow-run.heartbeat", resource=about)
            get_run_logger().info("publish %05d: %d of 10000 samples, 93 a second", beat // 48, 200 * (beat % 48))
        for done in [publish_shard.submit(f"{number:05d}") for number in range(shards)]:
            done.result()
        known = ("new", "10000", "0", "31.2 dB", "0.912", "largest difference 8/255")
        table = markdown_table(_NIGHT_HEADER, [(f"{number:05d}", *known) for number in range(shards)])
        page = f"{table}\n\n{_inside('Most visible of shard 00003', _largest_picture())}"
        create_markdown_artifact(page, key="night-corpus", description="10 new shards in s3://publish/corpus, 0 failed")

    return nightly


def _largest_picture() -> bytes:
    """A night's picture that no PNG encoder can make smaller."""
    from mem_core.report.inputs import MontageItem
    from mem_core.report.pictures import contact_sheet
    from tasks.result_pages import _NIGHT_SAMPLES, _NIGHT_SIDE

    shape, lot = (_NIGHT_SIDE, _NIGHT_SIDE, 3), np.random.default_rng(0)
    pixels = [lot.integers(0, 256, (2, *shape), dtype=np.uint8) for _ in range(_NIGHT_SAMPLES)]
    items = [MontageItem(key=f"{n:09d}", clean=one, protected=other) for n, (one, other) in enumerate(pixels)]
    return contact_sheet(tuple(items), side=_NIGHT_SIDE)


def _recorded(database: Path, heartbeats: int) -> Night:
    """All rows of the night, once the server has written them."""
    from prefect.events.worker import EventsWorker

    EventsWorker.drain_all()
    before = -1
    while (now := _count(database, "events")) < heartbeats or now != before:
        before = now
        time.sleep(5)  # events and logs are written in batches
    with _open(database) as connection:
        connection.row_factory = sqlite3.Row
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in _TABLES}


def _repeat(database: Path, night: Night) -> None:
    """The night once more, now, under new ids."""
    ids = {row["id"]: str(uuid.uuid4()) for rows in night.values() for row in rows}
    with _open(database) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for table, rows in night.items():
            marks = ", ".join(f":{column}" for column in rows[0])
            copies = [{column: ids.get(value, value) for column, value in row.items()} for row in rows]
            connection.executemany(f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})", copies)


def _make_older(database: Path) -> None:
    with _open(database) as connection:
        for table, (column, _) in _KEPT.items():
            older = f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-1 days')"
            connection.execute(f"UPDATE {table} SET {column} = {older} WHERE {column} IS NOT NULL")


@contextmanager
def _open(database: Path) -> Iterator[sqlite3.Connection]:
    """The database that the server is at work on; committed at the end."""
    with closing(sqlite3.connect(database, timeout=300)) as connection, connection:
        yield connection


def _wait_until_cleared(database: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while any(_older(database, table, column, days) for table, (column, days) in _KEPT.items()):
        if time.monotonic() > deadline:
            sys.exit(f"expected the server to clear old records within {_PATIENCE:g} s")
        time.sleep(0.5)


def _older(database: Path, table: str, column: str, days: int) -> int:
    with _open(database) as connection:
        limit = f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{days} days', '-1 minutes')"
        return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {column} < {limit}").fetchone()[0])


def _count(database: Path, table: str) -> int:
    with _open(database) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _counts(database: Path) -> str:
    return ", ".join(f"{_count(database, table)} {table}" for table in ("flow_run", "task_run", "log", "events"))


def _megabytes(database: Path, suffix: str) -> str:
    file = database.with_name(database.name + suffix)
    return f"{file.stat().st_size / 1e6:.0f}" if file.exists() else "0"


if __name__ == "__main__":
    main()
