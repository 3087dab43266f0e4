"""Two workers against one: the throughput of two threads, a shard each, over twice that of one thread.

    python -m benchmarks.workers [--samples 64] [--repeats 5]

Each worker does what `update_shard` does (HotFlip, six PGD steps) with one thread of its own, as `runtime.workers: 2`
runs it. Beside it, in the same run, what the machine can do at most: two processes with the same work, which share
nothing but the machine, and two processes that multiply matrices, which fit into their caches, and do nothing else.
Wall clock, so the machine must have two idle cores: the share of them that this program had says how idle they were.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import torch

from benchmarks.harness import Figure, print_figures, quartiles, ratios
from benchmarks.literal_port import Bench

_LEAST = 0.95
_MATRIX, _PRODUCTS = 512, 400  # 1 MB each; half a second of products


def run(*, samples: int = 64, repeats: int = 5) -> list[Figure]:
    """Shares of which 1 would be twice the work in the same time, and the threads' over the processes'."""
    apart = multiprocessing.get_context("spawn")
    with (
        ThreadPoolExecutor(2) as threads,
        ProcessPoolExecutor(2, mp_context=apart, initializer=_prepare, initargs=(samples,)) as processes,
        ProcessPoolExecutor(2, mp_context=apart, initializer=_prepare_products) as products,
    ):
        _prepare(samples)
        pools: dict[str, Executor] = {"threads": threads, "processes": processes, "products": products}
        for pool in pools.values():
            _seconds(pool, 2)
        had, start = time.process_time(), time.monotonic()
        _seconds(threads, 2)
        idle = (time.process_time() - had) / 2 / (time.monotonic() - start)
        found: dict[str, list[float]] = {name: [] for name in pools}
        for _ in range(repeats):
            for name, pool in pools.items():
                found[name].append(_share(pool))
    floor = f"this program had {idle:.0%} of two cores; wall clock"
    return [
        _figure("throughput over twice that of one", found["threads"], bound=_LEAST, floor=floor),
        _figure("the same of two processes", found["processes"]),
        _figure("the machine: two bare loops of matrix products", found["products"]),
        _figure("threads over processes", ratios(found["threads"], found["processes"]), bound=_LEAST, floor=floor),
        _figure("threads over matrix products", ratios(found["threads"], found["products"])),
    ]


_work: Callable[[], object] = lambda: None  # noqa: E731  # one for each process, made by `_prepare`


def _prepare(samples: int) -> None:
    global _work
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.make(Path(folder), "tiny-resnet", samples, samples)
    context = bench.context()
    _work = lambda: bench.ours(context)  # noqa: E731


def _prepare_products() -> None:
    global _work
    torch.set_num_threads(1)
    matrix = torch.randn(_MATRIX, _MATRIX, generator=torch.Generator().manual_seed(0))

    def products() -> None:
        for _ in range(_PRODUCTS):
            matrix @ matrix

    _work = products


def _once(_: int) -> None:
    _work()


def _seconds(pool: Executor, workers: int) -> float:
    start = time.monotonic()
    list(pool.map(_once, range(workers)))
    return time.monotonic() - start


def _share(pool: Executor) -> float:
    """One before and one after, so that a drift of the clock meets both sides."""
    before, both, after = _seconds(pool, 1), _seconds(pool, 2), _seconds(pool, 1)
    return statistics.fmean((before, after)) / both


def _figure(name: str, values: list[float], *, bound: float | None = None, floor: str = "") -> Figure:
    low, middle, high = quartiles(values)
    return Figure(
        group="two workers",
        name=name,
        value=middle,
        unit="x",
        low=low,
        high=high,
        bound=bound,
        better="higher",
        floor=floor,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print_figures(run(samples=given.samples, repeats=given.repeats))


if __name__ == "__main__":
    main()
