"""All benchmarks: one table against the committed figures and, with --out, JSON and a picture.

python -m benchmarks [--quick] [--only NAME] [--out docs/results]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    encoders,
    literal_port,
    memory,
    orchestration,
    pgd_step,
    protect_image,
    publishing,
    round_split,
    shard_io,
    sharding,
    twins,
    victim_epoch,
    workers,
)
from benchmarks.chart import draw
from benchmarks.harness import Figure, Results, machine, print_figures, readable

_COMMITTED = Path(__file__).parents[1] / "docs" / "results" / "speed-cpu.json"
_SMALL_PORT: dict[str, Any] = {"architecture": "tiny-resnet-32", "samples": 64, "batch": 32, "repeats": 1}
_SMALL_TWINS: dict[str, Any] = {"samples": 64, "pictures": 16, "repeats": 1}
_SMALL_UPLOADS: dict[str, Any] = {"sides": (256,), "images": 6}
_SLACK = 0.15  # a figure with a bound counts as worse than the committed one from here on


def measure(*, quick: bool, only: str = "") -> list[Figure]:
    """Every figure, or those of one benchmark, each announced on standard error."""
    figures: list[Figure] = []
    parts: dict[str, Callable[[], list[Figure]]] = {
        "PGD step": lambda: pgd_step.run(quick=quick),
        "literal port": lambda: literal_port.run(**_SMALL_PORT if quick else {}),
        "round": lambda: round_split.run(samples=128 if quick else 256),
        "victim": lambda: victim_epoch.run(quick=quick),
        "shards": lambda: shard_io.run(quick=quick),
        "protect_image": lambda: protect_image.run(**_SMALL_UPLOADS if quick else {}),
        "sharding": lambda: sharding.run(sizes=(500, 1500) if quick else (2000, 6000)),
        "encoders": lambda: encoders.run(images=4 if quick else 12),
        "publishing": lambda: publishing.run(images=4 if quick else 12),
        "two workers": lambda: workers.run(samples=32 if quick else 64, repeats=3 if quick else 5),
        "twins": lambda: twins.run(**_SMALL_TWINS if quick else {}),
        "orchestration": lambda: orchestration.run(many=30 if quick else 60),
        "memory": lambda: memory.run(sizes=(1000, 2000) if quick else (1000, 2000, 4000, 8000)),
    }
    if only and only not in parts:
        raise SystemExit(f"expected a benchmark out of {', '.join(parts)}, got {only!r}")
    for name, work in parts.items():
        if only not in ("", name):
            continue
        print(f"measuring: {name} ...", file=sys.stderr)
        figures += work()
    return figures


def regressions(figures: list[Figure], committed: Results) -> list[str]:
    """Sentences on the ratios that are clearly worse than the committed ones."""
    before = {(figure.group, figure.name): figure.value for figure in committed.figures}
    worse = []
    for figure in figures:
        old = before.get((figure.group, figure.name), 0.0)
        if figure.bound is None or old <= 0:
            continue
        change = figure.value / old if figure.better == "lower" else old / figure.value
        if change > 1 + _SLACK:
            worse.append(f"{figure.group}, {figure.name}: {readable(figure.value)}, committed {readable(old)}")
    return worse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small models and corpora, few repeats: about a minute")
    parser.add_argument("--only", default="", help="one benchmark by its name, such as 'PGD step'")
    parser.add_argument("--out", type=Path, help="folder for speed-cpu.json and speed-cpu.png, such as docs/results")
    arguments = parser.parse_args()
    figures = measure(quick=arguments.quick, only=arguments.only)
    committed = Results.load(_COMMITTED) if _COMMITTED.exists() else None
    print_figures(figures, committed)
    for sentence in regressions(figures, committed) if committed else []:
        print("slower than committed:", sentence)
    missed = [figure for figure in figures if not figure.holds]
    for figure in missed:
        print(f"bound missed: {figure.group}, {figure.name}: {readable(figure.value)} against {figure.bound:g}")
    if arguments.out:
        command = "python -m benchmarks" + (" --quick" if arguments.quick else "")
        Results(command=command, machine=machine(), figures=tuple(figures)).save(arguments.out / "speed-cpu.json")
        draw(figures, arguments.out / "speed-cpu.png")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
