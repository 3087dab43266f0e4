"""The folder that the decoders of HEIC and JPEG XL lie in: apart from ours, as their licences are other than ours.

python tests/plugins/picture_plugins.py        makes .venv-pictures, or finds it as it should be
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-pictures"
LOCK = Path(__file__).with_name("requirements.lock")
"""Made by: printf 'pillow-heif\\npillow-jxl-plugin' | uv pip compile --no-deps --generate-hashes --no-header -"""


def plugin_folder() -> Path:
    """Where the plug-ins lie; they are installed if they are missing or of another lock file."""
    wanted, stamp = hashlib.sha256(LOCK.read_bytes()).hexdigest(), FOLDER / "stamp"
    with (ROOT / ".venv-pictures.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several test runs may want it at the same time
        if not (stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(FOLDER, ignore_errors=True)
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(FOLDER)]
            done = subprocess.run([*install, *options, "-r", str(LOCK)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"expected the picture plug-ins in {FOLDER}, but pip said: {done.stderr[-2000:]}")
            stamp.write_text(wanted)
    return FOLDER


if __name__ == "__main__":
    print(plugin_folder())
