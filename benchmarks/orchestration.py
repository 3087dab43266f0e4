"""What Prefect costs a shard: processor seconds of the flow's process and of its server, for tasks that do nothing.

    python -m benchmarks.orchestration [--few 10] [--many 60]

The difference between many and few shards, so that starting up does not count, beside what `map_shards` costs alone.
Bound: 1 % of the work of a shard of 10,000 samples, at 100 samples a second.
"""

import argparse
import os
import time
from pathlib import Path

from benchmarks.harness import Figure, print_figures

_SAMPLES, _SAMPLES_A_SECOND, _MOST_SHARE = 10_000, 100.0, 0.01
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_SECONDS = 8.0


def run(*, few: int = 10, many: int = 60) -> list[Figure]:
    """Seconds a shard, and its share of the work of a large shard."""
    os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "ERROR"}
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=300):
        _map(2)
        start = _spent()
        _map(few)
        middle = _spent()
        _map(many)
        end = _spent()
    spent = zip(start, middle, end, strict=True)
    own, server = (((last - then) - (then - first)) / (many - few) for first, then, last in spent)
    share = (own + server) / (_SAMPLES / _SAMPLES_A_SECOND)
    floor = f"{_SAMPLES:,} samples at {_SAMPLES_A_SECOND:g} a second"
    return [
        _figure("the flow's process", own, "s", None, ""),
        _figure("the server", server, "s", None, ""),
        _figure("share of the work", share, "", _MOST_SHARE, floor),
    ]


def _figure(name: str, value: float, unit: str, bound: float | None, floor: str) -> Figure:
    return Figure(
        group="orchestration a shard",
        name=name,
        value=value,
        unit=unit,
        low=value,
        high=value,
        bound=bound,
        floor=floor,
    )


def _map(shards: int) -> None:
    from prefect import flow
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.mapping import map_shards
    from tasks.options import step

    @step("nothing", run_name="nothing {shard}")
    def nothing(shard: str) -> str:
        return shard

    @flow(task_runner=ThreadPoolTaskRunner())  # type: ignore[arg-type]
    def mapped() -> int:
        return len(map_shards(nothing, (f"{n:05d}" for n in range(shards)), workers=2))

    if mapped() != shards:
        raise AssertionError("expected a result for every shard")


def _spent() -> tuple[float, float]:
    """Processor seconds of this process, and of its living children, once the server has written everything."""
    time.sleep(_SETTLE_SECONDS)
    return time.process_time(), sum(_of(int(pid)) for pid in _children(os.getpid()))


def _children(parent: int) -> list[str]:
    found = [pid for path in Path(f"/proc/{parent}/task").glob("*/children") for pid in path.read_text().split()]
    return [*found, *(below for pid in found for below in _children(int(pid)))]


def _of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--many", type=int, default=60)
    given = parser.parse_args()
    print_figures(run(few=given.few, many=given.many))


if __name__ == "__main__":
    main()
