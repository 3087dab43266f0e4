"""What all benchmarks share: runs that alternate, medians with their spread, and figures that carry a bound."""

import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mem_core.config import Frozen

Work = Callable[[], object]


class Figure(Frozen):
    """One measured number. low and high: quartiles over the repeats, or one standard error.

    bound: what the figure must keep to, None where it only informs. better: which side of the bound is good.
    """

    group: str
    name: str
    value: float
    unit: str
    low: float
    high: float
    bound: float | None = None
    better: Literal["lower", "higher"] = "lower"
    floor: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.better == "lower" else self.value >= self.bound


class Results(Frozen):
    """A run of benchmarks: its figures and the machine they come from."""

    command: str
    machine: dict[str, str]
    figures: tuple[Figure, ...]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        return cls.model_validate_json(path.read_text())


def seconds(work: Work) -> float:
    """Seconds of this process on its cores for one call: time that other programs take does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def children_seconds() -> float:
    """Seconds on the cores of all processes that this one started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@contextmanager
def checkout_of(commit: str, place: Path) -> Iterator[Path]:
    """The files of a commit in a folder, for as long."""
    subprocess.run(["git", "worktree", "add", "--detach", "--quiet", place, commit], check=True)
    try:
        yield place
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", place], check=True)


def alternate(works: Mapping[str, Work], repeats: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of every run, in the order A B, B A, A B...: a drift of the machine meets all works alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(warm_up + repeats):
        for name in list(works) if repeat % 2 else list(works)[::-1]:
            taken = seconds(works[name])
            if repeat >= warm_up:
                times[name].append(taken)
    return times


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Neighbouring runs over each other: what slows the machine for a while slows both."""
    return [a / b for a, b in zip(above, below, strict=True)]


def machine() -> dict[str, str]:
    """What the figures depend on besides the code."""
    import torch

    return {
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "load_average": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torch_threads": str(torch.get_num_threads()),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def readable(value: float) -> str:
    """Three digits, or all of a large number."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_figures(figures: Sequence[Figure], committed: Results | None = None) -> None:
    """A table on the terminal, with the committed figure and the change since where there is one."""
    from rich.console import Console
    from rich.table import Table

    before = {(figure.group, figure.name): figure for figure in committed.figures} if committed else {}
    table = Table("benchmark", "case", *([] if committed is None else ["committed"]))
    for title in ("median", "spread", "unit", "bound"):
        table.add_column(title, justify="left" if title == "unit" else "right")
    for figure in figures:
        old = before.get((figure.group, figure.name))
        known = [] if committed is None else ["" if old is None else readable(old.value)]
        bound = "" if figure.bound is None else f"{'<=' if figure.better == 'lower' else '>='} {figure.bound:g}"
        colour = "green" if figure.holds else "red"
        spread = f"{readable(figure.low)} - {readable(figure.high)}"
        shown = f"[{colour}]{readable(figure.value)}[/]" if figure.bound is not None else readable(figure.value)
        table.add_row(figure.group, figure.name, *known, shown, spread, figure.unit, bound)
    Console(width=150).print(table)
