"""What Prefect costs a shard: the flow `protect` over tiny shards, against a bare loop over the same shards.

    python -m benchmarks.orchestration [--few 50] [--many 1000]

Each shard is one image of 32 px with random noise, so next to nothing is computed. What is shown is the difference
between many and few shards, so that starting up does not count: processor seconds of the flow's process and of its
server, and the wall clock, with a server of its own and without one (`--no-server`: Prefect starts one for the time of
the command). Bound: 1 % of the work of a shard of 10,000 samples, at 100 samples a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Figure, print_figures
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig, ProtectConfig, RunnerConfig
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.protect.protection import Places, Protection

_SAMPLES, _SAMPLES_A_SECOND, _MOST_SHARE = 10_000, 100.0, 0.01
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_SECONDS = 8.0  # in which the server writes what it was sent
_CONFIG = ProtectConfig(method="random-noise")
_RUNTIME = RunnerConfig(device="cpu", precision="float32")
_QUIET = {"PREFECT_LOGGING_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"}

Costs = dict[str, float]
"""Seconds: `own` and `server` of processors, `wall` by the clock."""


def run(*, few: int = 20, many: int = 120) -> list[Figure]:
    """Seconds a shard above the bare loop, and their share of the work of a large shard."""
    found = {ways: _in_a_process(ways, few, many) for ways in ("bare", "server", "no server")}
    bare = found.pop("bare")
    figures = [_figure("the bare loop", bare["own"], "s", None, "")]
    for ways, costs in found.items():
        own = costs["own"] - bare["own"]
        figures += [
            _figure(f"{ways}: the flow's process", own, "s", None, "the bare loop"),
            _figure(f"{ways}: the server", costs["server"], "s", None, ""),
            _figure(f"{ways}: wall clock", costs["wall"] - bare["wall"], "s", None, "the bare loop"),
        ]
        share = (own + costs["server"]) / (_SAMPLES / _SAMPLES_A_SECOND)
        floor = f"{_SAMPLES:,} samples at {_SAMPLES_A_SECOND:g} a second"
        figures.append(_figure(f"{ways}: share of the work", share, "", _MOST_SHARE, floor))
    return figures


def _figure(name: str, value: float, unit: str, bound: float | None, floor: str) -> Figure:
    group = "orchestration a shard"
    return Figure(group=group, name=name, value=value, unit=unit, low=value, high=value, bound=bound, floor=floor)


def _in_a_process(ways: str, few: int, many: int) -> Costs:
    """One way in a process of its own: Prefect reads its settings when it is imported."""
    with tempfile.TemporaryDirectory() as folder:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        command = [sys.executable, "-m", "benchmarks.orchestration", "--child", ways, folder]
        done = subprocess.run(
            [*command, "--few", str(few), "--many", str(many)],
            env=plain | _QUIET | {"MEMSHIELD_HOME": f"{folder}/home"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    costs: Costs = json.loads(done.stdout.splitlines()[-1])
    return costs


def measure(ways: str, folder: Path, few: int, many: int) -> Costs:
    """Seconds a shard in this process."""
    if ways == "bare":
        return _costs(folder, few, many, _protect_bare, lambda: 0.0)
    from flows.cli.running import running
    from flows.local_server import server

    with running(no_server=ways == "no server"):
        try:
            known = server.running()
            roots = [known.pid] if known else []
            return _costs(
                folder, few, many, _protect_by_flow, lambda: sum(map(_spent, roots or _children(os.getpid())))
            )
        finally:
            server.stop()


def _costs(
    folder: Path, few: int, many: int, protect: Callable[[Path, Path], None], server: Callable[[], float]
) -> Costs:
    counts = (2, few, many)  # the first one warms up
    clean = [_clean(folder / f"clean-{count}", count) for count in counts]
    moments = []
    for count, corpus in zip(counts, clean, strict=True):
        before = time.process_time(), server(), time.monotonic()
        protect(corpus, folder / f"protected-{count}")
        wall = time.monotonic() - before[2]
        time.sleep(_SETTLE_SECONDS)
        moments.append((time.process_time() - before[0], server() - before[1], wall))
    each = [(last - first) / (many - few) for first, last in zip(*moments[1:], strict=True)]
    return dict(zip(("own", "server", "wall"), each, strict=True))


def _clean(folder: Path, shards: int) -> Path:
    """So many shards of one image."""
    source = draw_corpus(folder / "drawn", shards, 0, size=32, seed=0)
    shard_source(open_source(source), LocalFolder(folder / "shards"), CorpusConfig(samples_per_shard=1))
    return folder / "shards" / "train"


def _protect_bare(clean: Path, dest: Path) -> None:
    protection = Protection(Places(LocalFolder(clean), LocalFolder(dest)), _CONFIG, _RUNTIME, seed=0)
    protection.begin()
    for shard in protection.plan().waiting:
        protection.publish(shard)
    protection.finish()


def _protect_by_flow(clean: Path, dest: Path) -> None:
    from flows.protect import protect

    protect(str(clean), str(dest), config=_CONFIG, runtime=_RUNTIME)


def _spent(pid: int) -> float:
    """Processor seconds of a process and of its living children."""
    return _of(pid) + sum(_spent(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def _of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=50)
    parser.add_argument("--many", type=int, default=1000)
    parser.add_argument("--child", nargs=2, metavar=("WAYS", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        ways, folder = given.child
        print(json.dumps(measure(ways, Path(folder), given.few, given.many)))
    else:
        print_figures(run(few=given.few, many=given.many))


if __name__ == "__main__":
    main()
