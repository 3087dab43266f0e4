"""`memshield protect` itself, into an object store: killed, damaged, refused, made again."""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder
from tasks.storage import open_folder
from tests.s3.swift_server import SwiftServer, client, credentials, environment
from tests.support.corpora import contents
from tests.support.waiting import wait_until

PATIENCE = 300


def protect(clean: Path, dest: str, env: dict[str, str], *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "flows.cli", "protect", str(clean / "train"), dest, "--preset", "smoke", *options]
    return subprocess.Popen(command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> str:
    """What it said, after it ended well."""
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_command_survives_kills_and_damage_in_a_store(
    swift: SwiftServer, prefect_api: str, clean_corpus: Path, tmp_path: Path
) -> None:
    bucket = f"command-{secrets.token_hex(4)}"
    admin = client(swift.endpoint)
    admin.create_bucket(Bucket=bucket)
    dest, env = f"s3://{bucket}/night", {"PREFECT_API_URL": prefect_api, **environment(swift.endpoint)}
    ended(protect(clean_corpus, str(tmp_path / "undisturbed"), env))
    expected = contents(LocalFolder(tmp_path / "undisturbed"))
    for share in (0.4, 0.6, 0.75, 0.9):
        run = protect(clean_corpus, dest, env)
        with credentials(swift.endpoint):
            folder, wanted = open_folder(dest), share * len(expected)
            wait_until(lambda: run.poll() is not None or len(list(folder.names())) >= wanted, PATIENCE)  # noqa: B023
        run.send_signal(signal.SIGKILL)
        run.communicate()
    ended(protect(clean_corpus, dest, env))
    with credentials(swift.endpoint):
        assert contents(open_folder(dest)) == expected
        assert not admin.list_multipart_uploads(Bucket=bucket).get("Uploads")
        admin.delete_object(Bucket=bucket, Key="night/00001.parquet")
        refused = protect(clean_corpus, dest, env)
        said = refused.communicate(timeout=PATIENCE)[1]
        assert refused.returncode == 1
        assert "00001.parquet is missing" in said
        ended(protect(clean_corpus, dest, env, "--on-mismatch", "redo"))
        assert contents(open_folder(dest)) == expected
    denied = protect(clean_corpus, dest, env | environment(swift.endpoint, secret="wrong"))
    said = denied.communicate(timeout=PATIENCE)[1]
    assert denied.returncode == 1
    assert "the store refused" in said
    assert "Traceback" not in said
    assert "wrong" not in said
