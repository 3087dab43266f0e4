"""Virtual environments for packages that cannot share ours: made once below the checkout, from a lock file."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def own_venv(name: str, lock: Path, *, beside_ours: bool = False) -> Path:
    """The interpreter of the environment ROOT/name; it is made if it is missing or of another lock file.

    beside_ours: what the lock file does not have is taken from the environment that runs the tests.
    """
    venv = ROOT / name
    wanted = hashlib.sha256(lock.read_bytes() + sysconfig.get_path("purelib").encode() * beside_ours).hexdigest()
    stamp, python = venv / "stamp", venv / "bin" / "python"
    with (ROOT / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several test runs may want it at the same time
        if not (stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(venv, ignore_errors=True)
            _make(venv, python, lock)
            if beside_ours:
                (found,) = venv.glob("lib/python*/site-packages")
                (found / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
            stamp.write_text(wanted)
    return python


def _make(venv: Path, python: Path, lock: Path) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        _run(venv, uv, "venv", "--quiet", "--python", sys.executable, str(venv))
        _run(venv, uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock))
    else:
        _run(venv, sys.executable, "-m", "venv", str(venv))
        install = ("-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock))
        _run(venv, str(python), *install)


def _run(venv: Path, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"expected {venv} to be made, but `{' '.join(command)}` said: {done.stderr.strip()[-2000:]}")
