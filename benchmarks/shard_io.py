"""Shard writing and reading against raw tarfile on the same bytes, in one run.

    python -m benchmarks.shard_io [--samples 1000] [--repeats 7] [--image-bytes 6000 36000]

Raw tarfile: `addfile` of the same members to a memory stream (mode "w|"), and a walk over all members that reads
each whole (mode "r|"). Ours: `ShardWriter.write` from samples, and `read_shard` to samples, checks and JSON
included. The four alternate in one process; a ratio is that of neighbouring runs.
"""

import argparse
import io
import statistics
import tarfile
from collections.abc import Sequence

import numpy as np

from benchmarks.harness import Figure, Work, alternate, print_figures, quartiles, ratios
from mem_core.data.shard import Sample, read_shard, shard_bytes

_LEAST = {"write": 1, "read": 0.8}  # of raw tarfile's speed, checks and JSON included
_IMAGE_BYTES = (6_000, 36_000, 500_000)
_MOST_BYTES = 200_000_000

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


def measure(count: int, image_bytes: int, repeats: int) -> list[Figure]:
    """Our speed as a share of raw tarfile's, writing and reading, and ours in MB/s."""
    samples = make_samples(count, image_bytes)
    data = shard_bytes(samples)
    members = read_raw(data)
    works: dict[str, Work] = {
        "write raw": lambda: write_raw(members),
        "write": lambda: shard_bytes(samples),
        "read raw": lambda: read_raw(data),
        "read": lambda: sum(1 for _ in read_shard(io.BytesIO(data), "00000")),
    }
    times = alternate(works, repeats)
    figures = []
    for work in ("write", "read"):
        low, middle, high = quartiles(ratios(times[f"{work} raw"], times[work]))
        speed = len(data) / 1e6 / statistics.median(times[work])
        figures.append(
            Figure(
                group=f"shard {work}",
                name=f"{image_bytes:,} byte images",
                value=middle,
                unit=f"x tarfile ({speed:.0f} MB/s)",
                low=low,
                high=high,
                bound=_LEAST[work],
                better="higher",
                floor="raw tarfile on the same bytes",
            )
        )
    return figures


def run(
    *, samples: int = 1000, repeats: int = 7, image_bytes: Sequence[int] = _IMAGE_BYTES, quick: bool = False
) -> list[Figure]:
    """All image sizes; `quick` takes a few repeats of smaller shards."""
    most = _MOST_BYTES // 4 if quick else _MOST_BYTES
    figures = []
    for size in image_bytes:
        figures += measure(max(1, min(samples, most // size)), size, 3 if quick else repeats)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--image-bytes", type=int, nargs="+", default=list(_IMAGE_BYTES))
    arguments = parser.parse_args()
    print_figures(run(samples=arguments.samples, repeats=arguments.repeats, image_bytes=arguments.image_bytes))


if __name__ == "__main__":
    main()
