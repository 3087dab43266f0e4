"""The virtual environment that OpenStack Swift runs in: apart from ours, as it patches the standard library.

python tests/s3/swift_venv.py        makes .venv-swift, or finds it as it should be
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-swift"
LOCK = Path(__file__).with_name("requirements.lock")
"""Made by: echo swift==2.38.3 | uv pip compile --generate-hashes --no-header --python-version 3.11 -"""


def swift_python() -> Path:
    """The interpreter that has Swift; its environment is made if it is missing or of another lock file."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp, python = VENV / "stamp", VENV / "bin" / "python"
    with (ROOT / ".venv-swift.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several test runs may want it at the same time
        if not (stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(VENV, ignore_errors=True)
            _make(python)
            stamp.write_text(wanted)
    return python


def _make(python: Path) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(VENV))
        _run(uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK))
    else:
        _run(sys.executable, "-m", "venv", str(VENV))
        _run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"expected {VENV} to be made, but `{' '.join(command)}` said: {done.stderr.strip()[-2000:]}")


if __name__ == "__main__":
    print(swift_python())
