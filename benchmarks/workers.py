"""Two workers against one: the throughput of two threads, a shard each, over twice that of one thread.

    python -m benchmarks.workers [--samples 64] [--repeats 5]

Each worker does what `update_shard` does (HotFlip, six PGD steps) with one thread of its own, as `runtime.workers: 2`
runs it. Beside it two processes, which share nothing but the machine: what they lose, its memory and clock take. Wall
clock, so the machine must have two idle cores: on a busy one the figures say nothing.
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

from benchmarks.harness import Figure, print_figures, quartiles
from benchmarks.literal_port import Bench

_LEAST = 0.95


def run(*, samples: int = 64, repeats: int = 5) -> list[Figure]:
    """Shares of which 1 would be twice the work in the same time, and the threads' over the processes'."""
    apart = multiprocessing.get_context("spawn")
    with (
        ThreadPoolExecutor(2) as threads,
        ProcessPoolExecutor(2, mp_context=apart, initializer=_prepare, initargs=(samples,)) as processes,
    ):
        _prepare(samples)
        _seconds(threads, 2), _seconds(processes, 2)
        pairs = [(_share(threads), _share(processes)) for _ in range(repeats)]
    of_threads, of_processes = (list(column) for column in zip(*pairs, strict=True))
    floor = "two processes on the same two cores; wall clock"
    return [
        _figure("throughput over twice that of one", of_threads, bound=_LEAST, floor=floor),
        _figure("the same of two processes", of_processes),
        _figure("threads over processes", [ours / peer for ours, peer in pairs], bound=_LEAST, floor=floor),
    ]


_work: Callable[[], object] = lambda: None  # noqa: E731  # one for each process, made by `_prepare`


def _prepare(samples: int) -> None:
    global _work
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.make(Path(folder), "tiny-resnet", samples, samples)
    context = bench.context()
    _work = lambda: bench.ours(context)  # noqa: E731


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
