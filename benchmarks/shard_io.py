"""Shard writing and reading against raw tarfile on the same bytes, in one run.

    python benchmarks/shard_io.py [--samples 1000] [--repeats 7] [--image-bytes 6000 30000] [--out FILE.json]

Raw tarfile: `addfile` of the same members to a memory stream (mode "w|"), and a walk over all members that reads
each whole (mode "r|"). Ours: `ShardWriter.write` from samples, and `read_shard` to samples, checks and JSON
included. The order of the four alternates from repeat to repeat; medians are compared.
"""

import argparse
import io
import json
import platform
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from mem_core.data.shard import Sample, read_shard, shard_bytes

Members = list[tuple[str, bytes]]


def make_samples(count: int, image_bytes: int) -> list[Sample]:
    """Samples like those of Flickr8k: an image of about this size, five captions, img2dataset's metadata."""
    random = np.random.default_rng(0)
    captions = tuple(f"A brown dog number {n} runs over the wet grass behind a child in red ." for n in range(5))
    return [
        Sample(
            f"{i:09d}",
            random.bytes(int(image_bytes * random.uniform(0.7, 1.3))),
            "png",
            captions,
            {
                "url": f"https://example.org/{i}.jpg",
                "width": 128,
                "height": 128,
                "status": "success",
                "sha256": "0" * 64,
            },
        )
        for i in range(count)
    ]


def write_raw(members: Members) -> None:
    with tarfile.open(fileobj=io.BytesIO(), mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def read_raw(data: bytes) -> Members:
    found: Members = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found.append((member.name, file.read()))
    return found


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(count: int, image_bytes: int, repeats: int) -> dict[str, float]:
    """Medians in MB/s, and ours as a share of raw tarfile."""
    samples = make_samples(count, image_bytes)
    data = shard_bytes(samples)
    members = read_raw(data)
    works: dict[str, Callable[[], object]] = {
        "write raw": lambda: write_raw(members),
        "write": lambda: shard_bytes(samples),
        "read raw": lambda: read_raw(data),
        "read": lambda: sum(1 for _ in read_shard(io.BytesIO(data), "00000")),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name in sorted(works, reverse=bool(repeat % 2)):
            taken = seconds(works[name])
            if repeat:  # the first warms up
                times[name].append(taken)
    speed = {name: len(data) / 1e6 / statistics.median(taken) for name, taken in times.items()}
    ratios = {"write ratio": speed["write"] / speed["write raw"], "read ratio": speed["read"] / speed["read raw"]}
    return {"image bytes": float(image_bytes), **speed, **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--image-bytes", type=int, nargs="+", default=[6_000, 36_000, 500_000])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    columns = ["image bytes", "write raw", "write", "write ratio", "read raw", "read", "read ratio"]
    print("MB/s, median of", arguments.repeats, "runs")
    print(" ".join(f"{name:>12}" for name in columns))
    rows = []
    for image_bytes in arguments.image_bytes:
        count = max(1, min(arguments.samples, 200_000_000 // image_bytes))
        row = measure(count, image_bytes, arguments.repeats)
        rows.append(row)
        print(" ".join(f"{row[name]:>12.2f}" if "ratio" in name else f"{row[name]:>12.0f}" for name in columns))
    if arguments.out:
        about = {"samples": arguments.samples, "repeats": arguments.repeats, "python": platform.python_version()}
        arguments.out.write_text(json.dumps({**about, "machine": platform.machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
