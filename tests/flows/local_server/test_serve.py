"""A server on SQLite loses no event that an automation counts, and goes on after a statement that failed."""

import asyncio
import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TIMEOUT = 20.0  # of SQLite, for its lock; Prefect's is 60


async def counted_beside_another_writer() -> int:
    """How many rows two writers leave, where one reads before it writes, and the other writes in between if it can."""
    from prefect.server.database import provide_database_interface
    from prefect.server.events import triggers
    from sqlalchemy import text

    database = provide_database_interface()
    count, insert = text("select count(*) from events"), text("insert into events values (1)")

    async def write() -> None:
        async with database.session_context(begin_transaction=True) as session:
            await session.execute(insert)

    async with database.session_context(begin_transaction=True) as session:
        await session.execute(text("create table events(number int)"))
    async with triggers.automations_session(begin_transaction=True) as session:
        await session.execute(count)
        other = asyncio.create_task(write())
        await asyncio.wait([other], timeout=1.0)
        await session.execute(insert)
    await other
    async with database.session_context() as session:
        return int((await session.execute(count)).scalar_one())


@pytest.mark.parametrize("mended", [True, False])
def test_an_event_is_counted_whoever_writes_beside_it(tmp_path: Path, mended: bool) -> None:
    """In a process of its own, as it changes a library. As Prefect has it, the event is refused at once."""
    ask = (
        "import asyncio; from flows.local_server.serve import lock_before_counting as mend; "
        "from tests.flows.local_server.test_serve import counted_beside_another_writer as ask; "
        f"{mended} and mend(); print(asyncio.run(ask()))"
    )
    own = {
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path}/a.db",
    }
    done = subprocess.run(
        [sys.executable, "-c", ask], env=os.environ | own, capture_output=True, text=True, timeout=180, check=False
    )
    if mended:
        assert done.stdout.strip() == "2", done.stderr
    else:
        assert "database is locked" in done.stderr


async def seconds_of_collecting(database: Path) -> float:
    """How long the serving thread stands still where a failed statement's connection waits for a transaction of its."""
    from sqlalchemy import text
    from sqlalchemy.exc import IntegrityError
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(f"sqlite+aiosqlite:///{database}", connect_args={"timeout": TIMEOUT})
    async with engine.begin() as connection:
        await connection.execute(text("pragma journal_mode=wal"))
        await connection.execute(text("create table numbers(number int primary key)"))
        await connection.execute(text("insert into numbers values (1)"))
    gc.collect()
    gc.disable()
    async with engine.connect() as one, engine.connect() as other:
        with pytest.raises(IntegrityError):
            await other.execute(text("insert into numbers values (1)"))
        await other.rollback()
        await one.execute(text("insert into numbers values (2)"))  # holds the lock
        waiting = asyncio.create_task(other.execute(text("insert into numbers values (3)")))
        await asyncio.sleep(0.5)
        start = time.monotonic()
        gc.collect()
        taken = time.monotonic() - start
        await one.commit()
        await waiting
        await other.commit()
    await engine.dispose()
    return taken


def test_a_failed_statement_does_not_stop_the_server_later(tmp_path: Path) -> None:
    """In a process of its own, as it changes a library."""
    ask = (
        "import asyncio, pathlib; from flows.local_server.serve import close_failed_cursors; close_failed_cursors(); "
        "from tests.flows.local_server.test_serve import seconds_of_collecting as ask; "
        f"print(asyncio.run(ask(pathlib.Path({str(tmp_path / 'numbers.db')!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < TIMEOUT / 2


def test_it_runs_what_is_named_with_its_arguments() -> None:
    command = [sys.executable, "-m", "flows.local_server.serve", "prefect", "server", "start", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, "--port" in done.stdout) == (0, True)
