"""All benchmarks: one table against the committed figures and, with --out, JSON and a picture.

python -m benchmarks [--quick] [--out docs/results]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import memory, pgd_step, round_split, shard_io
from benchmarks.chart import draw
from benchmarks.harness import Figure, Results, machine, print_figures, readable

_COMMITTED = Path(__file__).parents[1] / "docs" / "results" / "speed-cpu.json"
_SLACK = 0.15  # a figure with a bound counts as worse than the committed one from here on


def measure(*, quick: bool) -> list[Figure]:
    """Every figure, each benchmark announced on standard error."""
    figures: list[Figure] = []
    parts: dict[str, Callable[[], list[Figure]]] = {
        "PGD step": lambda: pgd_step.run(quick=quick),
        "round": lambda: round_split.run(samples=128 if quick else 256),
        "shards": lambda: shard_io.run(quick=quick),
        "memory": lambda: memory.run(sizes=(1000, 2000) if quick else (1000, 2000, 4000, 8000)),
    }
    for name, work in parts.items():
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
    parser.add_argument("--out", type=Path, help="folder for speed-cpu.json and speed-cpu.png, such as docs/results")
    arguments = parser.parse_args()
    figures = measure(quick=arguments.quick)
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
