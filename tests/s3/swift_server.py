"""A real S3 server for tests: OpenStack Swift in a process of its own, which can be killed and started again."""

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.s3.swift_venv import swift_python

LAUNCHER = Path(__file__).with_name("swift_launcher.py")
START_SECONDS = 60
KEY, SECRET = "memshield:tester", "testing-secret"
STRANGER, STRANGER_SECRET = "memshield:stranger", "stranger-secret"


class SwiftServer:
    """Swift over one folder. The port stays the same when it is started again."""

    def __init__(self, folder: Path) -> None:
        require_user_xattrs(folder)
        self.folder, self.port = folder, 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when the server answers. Raises RuntimeError with what it said if it does not."""
        errors = self.folder / "errors.txt"
        command = [str(swift_python()), "-W", "ignore", str(LAUNCHER), str(self.folder), str(self.port)]
        with errors.open("w") as stream:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.kill()
            raise RuntimeError(f"expected Swift to start, but it said: {errors.read_text()[-2000:]}")
        self.port = int(json.loads(line)["port"])

    def kill(self) -> None:
        """SIGKILL: nothing is written or closed any more."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


def require_user_xattrs(folder: Path) -> None:
    """Raises RuntimeError where Swift cannot keep its metadata."""
    probe = folder / "xattr-probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.memshield", b"1")
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "?")
        raise RuntimeError(
            f"expected a file system with user extended attributes at {folder}, which Swift needs (got {name}): "
            "set TMPDIR to a folder on ext4, xfs or btrfs"
        ) from error
    finally:
        probe.unlink()


@contextlib.contextmanager
def credentials(endpoint: str, key: str = KEY, secret: str = SECRET) -> Iterator[None]:
    """boto3's usual chain inside the block leads to this endpoint as this user; a new client is made for it."""
    from tasks import storage

    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(environment(endpoint, key, secret))
    storage._client.cache_clear()
    try:
        yield
    finally:
        for name in environment(endpoint):
            os.environ.pop(name, None)
        os.environ.update(before)
        storage._client.cache_clear()


def environment(endpoint: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """What boto3 reads. No file of the user's home is looked at."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(endpoint: str) -> Any:
    """A client of the tests' own, to look at the store and to spoil it."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(retries={"mode": "standard", "max_attempts": 2}),
    )
