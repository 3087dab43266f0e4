"""Commands that have next to nothing to do, at an earlier commit and now: what they take is their start and their end.

    python -m benchmarks.startup COMMIT [--repeats 5] [--command status ...]

`shard`, `protect` and `verify` of 24 drawn pictures, of which the first two find all finished, and `status`. The two
versions take turns, now one first and now the other; a ratio is that of neighbouring turns. By the clock, which wants
idle cores, and by the processor time of all processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness import Figure, checkout_of, children_seconds, print_figures, quartiles, ratios
from mem_core.data.synthetic.shapes_corpus import draw_corpus

_COMMANDS = {
    "shard": ("drawn", "corpus", "--preset", "smoke", "--no-server"),
    "protect": ("corpus/train", "protected", "--preset", "smoke", "--no-server"),
    "verify": ("corpus/train", "protected", "--no-server"),
    "status": ("protected",),
}


def run(commit: str, repeats: int, commands: Sequence[str]) -> list[Figure]:
    """The earlier version over this one, and the seconds that this one takes."""
    with tempfile.TemporaryDirectory() as name, checkout_of(commit, Path(name) / "earlier") as earlier:
        folder, here = Path(name), Path(__file__).parents[1]
        draw_corpus(folder / "drawn", 24, 8, size=32, seed=3)
        for command in ("shard", "protect"):
            _seconds(here, command, folder)
        return [figure for command in commands for figure in _figures(commit, earlier, here, command, folder, repeats)]


def _figures(commit: str, earlier: Path, here: Path, command: str, folder: Path, repeats: int) -> Iterator[Figure]:
    turns = [(earlier, here), (here, earlier)] * repeats
    taken = [{checkout: _seconds(checkout, command, folder) for checkout in turn} for turn in turns[:repeats]]
    for place, of in enumerate(("clock", "processors")):
        before, now = ([turn[checkout][place] for turn in taken] for checkout in (earlier, here))
        for case, values, unit in (("now", now, "s"), (f"{commit} over now", ratios(before, now), "x")):
            low, middle, high = quartiles(values)
            yield Figure(group=f"{command}, {of}", name=case, value=middle, unit=unit, low=low, high=high)


def _seconds(checkout: Path, command: str, folder: Path) -> tuple[float, float]:
    """By the clock, and of processors with all processes that the command starts."""
    own = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "MEMSHIELD_HOME": str(folder / "home")}
    before, start = children_seconds(), time.monotonic()
    words = [sys.executable, "-m", "flows.cli", command, *_COMMANDS[command]]
    subprocess.run(words, check=True, cwd=folder, env=os.environ | own, capture_output=True)
    return time.monotonic() - start, children_seconds() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--command", nargs="+", choices=_COMMANDS, default=list(_COMMANDS))
    given = parser.parse_args()
    print_figures(run(given.commit, given.repeats, given.command))


if __name__ == "__main__":
    main()
