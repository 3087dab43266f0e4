"""Runs a module that serves Prefect, as `python -m MODULE` does, with a fault of the libraries below it mended.

    python -m flows.local_server.serve prefect server start

A statement that fails leaves its cursor to Python's garbage collector (SQLAlchemy 2.0 on aiosqlite). That resets the
statement in whatever thread it runs in, mostly the one that serves requests, and for that waits for the cursor's
connection. Where another thread is writing on it, it waits in its turn for SQLite's one lock; and if that is held by a
transaction of the serving thread, nothing goes on until SQLite gives up, in Prefect's case after a minute. Requests run
out of time, and tasks have no records. So a cursor is closed as soon as its statement has failed. The server that goes
with a command (`--no-server`) is started by Prefect and not mended.
"""

import runpy
import sys
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import aiosqlite

Run = Callable[..., Awaitable[aiosqlite.Cursor]]


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
    close_failed_cursors()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
