"""The recording of docs/guide.md: the first four commands on a drawn folder, as they really run.

python -m benchmarks.quickstart        # one to five minutes on a CPU; writes docs/screenshots/quickstart.svg
"""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.terminal_svg import Line, animated_svg
from mem_core.data.synthetic.shapes_corpus import draw_corpus

_PICTURE = Path(__file__).parents[1] / "docs/screenshots/quickstart.svg"
COMMANDS = (
    "shard photos/ corpus/ --no-server",
    "protect corpus/train protected/ --no-server",
    "verify corpus/train protected/ --no-server",
    "export protected/ pictures/ --clean corpus/train",
)
_LONGEST = 0.8  # seconds that a pause is shown
_TO_READ = 2.0  # after a command


def recorded(folder: Path) -> list[Line]:
    """What the commands print in a folder with 16 drawn photos, pauses shortened, the folder's path as `~`."""
    draw_corpus(folder / "photos", 16, 0, 96, 5)
    (folder / "photos/procedural.json").unlink()  # how they were drawn: users have no such file
    lines, now = [], 0.5
    for command in COMMANDS:
        lines.append(Line(now, f"memshield {command}", typed=True))
        for pause, text in _run(command, folder):
            now += min(pause, _LONGEST)
            lines.append(Line(now, text))
        now += _TO_READ
    return lines


def _run(command: str, folder: Path) -> Iterator[tuple[float, str]]:
    """Each line of a command's output as it comes, with the seconds since the one before."""
    own = {"PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "400", "MEMSHIELD_HOME": str(folder / ".memshield")}
    arguments = [sys.executable, "-u", "-m", "flows.cli", *shlex.split(command)]
    last, said = time.monotonic(), ""
    with subprocess.Popen(
        arguments, cwd=folder, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            now, said = time.monotonic(), line
            yield now - last, line.rstrip().replace(str(folder), "~")
            last = now
    if process.returncode:
        raise SystemExit(f"expected `memshield {command}` to succeed, but it ended with: {said}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = recorded(Path(folder).resolve())
    said = "A terminal in which memshield protects sixteen drawn photos: " + "; ".join(COMMANDS)
    _PICTURE.write_text(animated_svg(lines, "memshield", said), encoding="utf-8")
    print(f"written: {_PICTURE}")


if __name__ == "__main__":
    main()
