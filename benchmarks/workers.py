"""Two workers against one: the throughput of two threads, a shard each, over twice that of one thread.

    python -m benchmarks.workers [--samples 64] [--repeats 5]

Each worker does what `advance_shard` does (HotFlip, six PGD steps) with one thread of its own, as `runtime.workers: 2`
runs it. Wall clock, so the machine must have two idle cores: on a busy one the figure says nothing.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from benchmarks.harness import Figure, print_figures, quartiles
from benchmarks.literal_port import Bench

_LEAST = 0.95


def run(*, samples: int = 64, repeats: int = 5) -> list[Figure]:
    """1 would be twice the work in the same time."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.make(Path(folder), "tiny-resnet", samples, samples)
        setting = bench.setting()
        with ThreadPoolExecutor(2) as pool:

            def seconds(workers: int) -> float:
                start = time.monotonic()
                list(pool.map(lambda _: bench.ours(setting), range(workers)))
                return time.monotonic() - start

            seconds(2)
            shares = [seconds(1) / seconds(2) for _ in range(repeats)]
    low, middle, high = quartiles(shares)
    return [
        Figure(
            group="two workers",
            name="throughput over twice that of one",
            value=middle,
            unit="x",
            low=low,
            high=high,
            bound=_LEAST,
            better="higher",
            floor="two threads on two idle cores; wall clock",
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print_figures(run(samples=given.samples, repeats=given.repeats))


if __name__ == "__main__":
    main()
