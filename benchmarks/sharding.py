"""Sharding against its floor, and its memory: tars, a CSV with files, and Parquet with images inside.

    python -m benchmarks.sharding [--images 10000 100000] [--out docs/results/sharding.json]

The floor reads the same bytes, decodes them as sharding does, and writes tars of the same members with Python's
tarfile, and does nothing else: no captions are matched, nothing is checked, hashed or recorded. Small pictures (32 px,
about 1 kB) make what surrounds the decoding weigh most. Each run is a process of its own; floor and sharding take
turns, three times at the smallest size. Seconds are those of the process, and the peak is the largest resident set of
sharding: Python with Pillow, numpy and pyarrow takes most of it.
"""

import argparse
import csv
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure, Results, machine, print_figures, quartiles, seconds
from benchmarks.memory import peak_bytes

_ROOT = Path(__file__).parents[1]
_SHARD = 1000
_LAYOUTS = ("tars", "csv", "parquet")
_LEAST_RATE = 0.8  # of the floor's
_MOST_GROWTH = 1.1  # of the peak, from the smallest to the largest source
_TURNS = 3


def picture(number: int) -> bytes:
    """A small JPEG of its own."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=75)
    return stream.getvalue()


def make_source(layout: str, root: Path, images: int) -> None:
    """A source of so many pictures."""
    root.mkdir(parents=True)
    known = [picture(number) for number in range(500)]  # drawn once: what differs between sources is their layout
    samples = ((f"{n:09d}", known[n % 500], f"picture {n} of a small corpus") for n in range(images))
    {"tars": _write_tars, "csv": _write_csv, "parquet": _write_parquet}[layout](root, samples)


def _write_tars(root: Path, samples: Iterator[tuple[str, bytes, str]]) -> None:
    tar = None
    for number, (key, image, caption) in enumerate(samples):
        if number % _SHARD == 0:
            if tar is not None:
                tar.close()
            tar = tarfile.open(root / f"{number // _SHARD:05d}.tar", "w")  # noqa: SIM115
        assert tar is not None
        for suffix, data in (("jpg", image), ("txt", caption.encode())):
            info = tarfile.TarInfo(f"{key}.{suffix}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        tar.members.clear()  # type: ignore[attr-defined]
    assert tar is not None
    tar.close()


def _write_csv(root: Path, samples: Iterator[tuple[str, bytes, str]]) -> None:
    with (root / "captions.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["image", "caption"])
        for key, image, caption in samples:
            place = root / "images" / key[:6] / f"{key}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(image)
            table.writerow([str(place.relative_to(root)), caption])


def _write_parquet(root: Path, samples: Iterator[tuple[str, bytes, str]]) -> None:
    import pyarrow
    import pyarrow.parquet

    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", kind), ("text", pyarrow.string())])
    with pyarrow.parquet.ParquetWriter(root / "train.parquet", schema) as writer:
        rows: list[dict[str, Any]] = []
        for key, image, caption in samples:
            rows.append({"image": {"bytes": image, "path": f"{key}.jpg"}, "text": caption})
            if len(rows) == _SHARD:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
                rows.clear()
        if rows:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def floor(layout: str, source: Path, dest: Path) -> None:
    """Reads the bytes, decodes them and writes tars of the members that sharding writes."""
    from mem_core.data.images import decode_image

    dest.mkdir()
    images = {"tars": _tar_images, "csv": _file_images, "parquet": _parquet_images}[layout](source)
    for shard_number, group in enumerate(batched(images, _SHARD)):
        with tarfile.open(dest / f"{shard_number:05d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, image in enumerate(group):
                decode_image(image, max_pixels=1_000_000)
                caption = f"picture {number} of a small corpus"
                about = json.dumps({"captions": [caption], "name": f"{number}.jpg", "width": 32, "height": 32})
                for suffix, data in (("jpg", image), ("txt", caption.encode()), ("json", about.encode())):
                    info = tarfile.TarInfo(f"{shard_number:05d}{number:04d}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


def batched(items: Iterator[bytes], size: int) -> Iterator[Iterator[bytes]]:
    """So many at a time, none of them held."""
    while (first := next(items, None)) is not None:
        yield chain([first], islice(items, size - 1))


def _tar_images(source: Path) -> Iterator[bytes]:
    for path in sorted(source.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                data = tar.extractfile(member)
                assert data is not None
                content = data.read()
                if member.name.endswith(".jpg"):
                    yield content


def _file_images(source: Path) -> Iterator[bytes]:
    with (source / "captions.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            yield (source / row["image"]).read_bytes()


def _parquet_images(source: Path) -> Iterator[bytes]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(source / "train.parquet") as table:
        for batch in table.iter_batches(_SHARD):
            for row in batch.to_pylist():
                yield row["image"]["bytes"]


def shard(source: Path, dest: Path) -> None:
    """The real thing."""
    from mem_core.common.storage.folder import LocalFolder
    from mem_core.config import CorpusConfig
    from mem_core.data.readers import open_source
    from mem_core.data.sharding.sharder import shard_source

    shard_source(open_source(source), LocalFolder(dest), CorpusConfig(samples_per_shard=_SHARD))


def run(*, sizes: Sequence[int] = (2000, 6000)) -> list[Figure]:
    """Rate against the floor and peak memory, for each layout and size."""
    figures = []
    for layout in _LAYOUTS:
        peaks = []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                make_source(layout, Path(folder) / "source", size)
                taken = [_turn(layout, Path(folder), turn) for turn in range(_TURNS if size == min(sizes) else 1)]
            peaks.append(max(peak for *_, peak in taken))
            name = f"{layout}, {size:,} images"
            ratios = quartiles([alone / whole for alone, whole, _ in taken])
            rates = quartiles([size / whole for _, whole, _ in taken])
            figures += [
                _figure("sharding, of the floor's rate", name, ratios, "x", bound=_LEAST_RATE, better="higher"),
                _figure("sharding, images a second of one core", name, rates, "/s"),
                _figure("sharding, peak memory", name, quartiles([peaks[-1] / 2**20]), "MiB"),
            ]
        growth = quartiles([peaks[-1] / peaks[0]])
        name = f"{layout}, {sizes[-1]:,} over {sizes[0]:,} images"
        figures.append(_figure("sharding, growth of the peak", name, growth, "x", bound=_MOST_GROWTH))
    return figures


def _turn(layout: str, root: Path, turn: int) -> tuple[float, float, int]:
    """Seconds of the floor, seconds of sharding, and its peak in bytes; either goes first in turn."""
    found = {}
    for what in ("floor", "shard") if turn % 2 else ("shard", "floor"):
        dest = root / what
        command = [
            sys.executable,
            "-m",
            "benchmarks.sharding",
            "--child",
            what,
            layout,
            str(root / "source"),
            str(dest),
        ]
        done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
        taken, peak = done.stdout.split()[-2:]
        found[what] = (float(taken), int(peak))
        shutil.rmtree(dest)
    return found["floor"][0], found["shard"][0], found["shard"][1]


def _figure(group: str, name: str, values: tuple[float, float, float], unit: str, **bound: Any) -> Figure:
    low, middle, high = values
    return Figure(group=group, name=name, value=middle, unit=unit, low=low, high=high, **bound)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharding", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, layout, source, dest = arguments.child
        import pyarrow.parquet  # noqa: F401  imports count for neither

        from mem_core.data.sharding.sharder import shard_source  # noqa: F401

        work = partial(floor, layout) if what == "floor" else shard
        print(seconds(lambda: work(Path(source), Path(dest))), peak_bytes())
        return
    figures = run(sizes=arguments.images)
    print_figures(figures)
    if arguments.out:
        command = f"python -m benchmarks.sharding --images {' '.join(map(str, arguments.images))}"
        Results(command=command, machine=machine(), figures=tuple(figures)).save(arguments.out)


if __name__ == "__main__":
    main()
