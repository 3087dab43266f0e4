"""How long `memshield detect` takes to ask a model about a corpus with twins, start to verdict.

    python -m benchmarks.detection [--pairs 6000] [--side 64] [--architecture tiny-resnet]

Drawn pictures, protected by `mark`; the model is untrained, which takes as long as any other. Wants idle cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figure, children_seconds, print_figures
from benchmarks.memory import make_corpus

_MOST = 60.0  # seconds, for 6,000 pairs on two cores


def run(*, pairs: int = 6000, side: int = 64, architecture: str = "tiny-resnet") -> list[Figure]:
    """Seconds of the command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder / "corpus", pairs, 1000, side)
        clean, dest = folder / "corpus/train", folder / "protected"
        marked = ("--method", "mark", "--set", "protect.trigger.placement=inside", "--twins", "--no-server")
        _memshield(folder, "protect", clean, dest, *marked)
        _memshield(folder, "commit", dest, "--out", folder / "commitment", "--no-server")
        untrained = ("--set", "victim.epochs=0", "--set", f"victim.architecture={architecture}", "--no-server")
        _memshield(folder, "train", clean, folder / "model", *untrained)
        committed = folder / "commitment/commitment.json"
        asked = ("--twins", dest / "twins", "--commitment", committed, "--out", folder / "found", "--no-server")
        before, start = children_seconds(), time.monotonic()
        _memshield(folder, "detect", folder / "model", *asked)
        taken, spent = time.monotonic() - start, children_seconds() - before
        found = json.loads((folder / "found/detection.json").read_text())
    case = f"{found['outcome']['pairs']} pairs of {side} px, {architecture}"
    return [
        Figure(group="detect", name=f"{case}, clock", value=taken, unit="s", low=taken, high=taken, bound=_MOST),
        Figure(group="detect", name=f"{case}, processors", value=spent, unit="s", low=spent, high=spent),
    ]


def _memshield(folder: Path, *words: object) -> None:
    home = {"MEMSHIELD_HOME": str(folder / "home"), "PREFECT_HOME": str(folder / "prefect")}
    command = [sys.executable, "-m", "flows.cli", *map(str, words)]
    done = subprocess.run(command, env=os.environ | home, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--architecture", default="tiny-resnet")
    print_figures(run(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
