"""Runs a module that serves Prefect, as `python -m MODULE` does, with two faults of it on SQLite mended.

    python -m flows.local_server.serve prefect server start

An event that an automation counts is read and written in one transaction, which takes SQLite's lock only when it comes
to write. If another has written in between, SQLite refuses that at once, without waiting. Prefect tries four times
within a fifth of a second and then forgets the event, and an alert with it. So these transactions take the lock as they
begin, and wait for it.

A statement that fails leaves its cursor to Python's garbage collector (SQLAlchemy 2.0 on aiosqlite). That resets the
statement in whatever thread it runs in, mostly the one that serves requests, and for that waits for the cursor's
connection. Where another thread is writing on it, it waits in its turn for SQLite's one lock; and if that is held by a
transaction of the serving thread, nothing goes on until SQLite gives up, in Prefect's case after a minute. Requests run
out of time, and tasks have no records. So a cursor is closed as soon as its statement has failed.

The server that goes with a command (`--no-server`) is started by Prefect and not mended.
"""

import runpy
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import aiosqlite
from prefect.server.database import provide_database_interface
from prefect.server.events import triggers
from sqlalchemy.ext.asyncio import AsyncSession

Run = Callable[..., Awaitable[aiosqlite.Cursor]]


def lock_before_counting() -> None:
    """For the events that automations count in this process."""
    vars(triggers)["automations_session"] = _locked_session


@asynccontextmanager
async def _locked_session(begin_transaction: bool = False) -> AsyncGenerator[AsyncSession, None]:
    database = provide_database_interface()
    async with database.session_context(begin_transaction, with_for_update=begin_transaction) as session:
        yield session


def close_failed_cursors() -> None:
    """For all connections of this process."""
    for name in ("execute", "executemany"):
        setattr(aiosqlite.Cursor, name, _closing(getattr(aiosqlite.Cursor, name)))


def _closing(run: Run) -> Run:
    @wraps(run)
    async def closing(cursor: aiosqlite.Cursor, *arguments: Any) -> aiosqlite.Cursor:
        try:
            return await run(cursor, *arguments)
        except Exception:
            await cursor.close()
            raise

    return closing


if __name__ == "__main__":
    lock_before_counting()
    close_failed_cursors()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
