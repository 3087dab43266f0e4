"""A whole `memshield protect` of photographs: the command over what it computes, and over an earlier version.

    python -m benchmarks.end_to_end PHOTOS [--count 2000] [--against COMMIT]

PHOTOS: a folder of JPEG files with captions.csv (image, caption); the pictures are enlarged to 500 x 375. Preset `cpu`,
one thread. The command, start and records included, is told over what it computes: the passes of the models, as
`benchmarks.round_split` counts them, and noise, encoding, audit and hash of every published image, measured in this
process. Twice: by the clock, which is what a user waits and wants idle cores, and by the processor time of all
processes, which another program's work does not alter.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from benchmarks.harness import Figure, checkout_of, children_seconds, print_figures, seconds
from benchmarks.round_split import BESIDE, watched
from flows.cli.presets import load_preset
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import RuntimeConfig
from mem_core.protect.protection import Places, Protection
from mem_core.protect.round_loop import Rounds

_SIZE = (500, 375)
_LEAST = 0.9  # the rate of the command over that of its computing alone


class Taken(NamedTuple):
    """Seconds by the clock, and of processors."""

    clock: float
    processor: float


def run(photos: Path, count: int, commit: str | None) -> list[Figure]:
    """The command over its computing and over an earlier version."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = f"{_source(photos, folder / 'source', count)} photos of {_SIZE[0]} x {_SIZE[1]} px"
        here = Path(__file__).parents[1]
        _command(here, "shard", folder / "source", folder / "corpus", folder)
        clean = folder / "corpus/train"
        now = _command(here, "protect", clean, folder / "now", folder)
        computed = _computed(clean, folder / "alone")
        rate = "rate of the command over its computing alone"
        figures = [
            _figure(f"{rate}, clock", case, computed.clock / now.clock, "x", _LEAST),
            _figure(f"{rate}, processors", case, computed.processor / now.processor, "x"),
            *(
                _figure(f"{what}, {of}", case, value, "s")
                for what, taken in (("the command", now), ("its computing alone", computed))
                for of, value in taken._asdict().items()
            ),
        ]
        if commit is not None:
            earlier = folder / "earlier"
            with checkout_of(commit, earlier):
                before = _command(earlier, "protect", clean, folder / "before", folder)
            figures.append(_figure(f"{commit} over this one, clock", case, before.clock / now.clock, "x"))
            figures.append(_figure(f"{commit} over this one, processors", case, before.processor / now.processor, "x"))
    return figures


def _figure(group: str, case: str, value: float, unit: str, bound: float | None = None) -> Figure:
    return Figure(group=group, name=case, value=value, unit=unit, low=value, high=value, bound=bound, better="higher")


def _source(photos: Path, source: Path, count: int) -> int:
    """The first pictures that are there, enlarged, with their captions. Returns how many."""
    source.mkdir()
    with (photos / "captions.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if (photos / row["image"]).exists()]
    chosen = list(dict.fromkeys(row["image"] for row in rows))[:count]
    for name in chosen:
        with Image.open(photos / name) as picture:
            picture.resize(_SIZE, Image.Resampling.LANCZOS).save(source / name, quality=90)
    with (source / "captions.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["image", "caption"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in rows if row["image"] in set(chosen))
    return len(chosen)


def _command(checkout: Path, name: str, source: Path, dest: Path, home: Path) -> Taken:
    """What a command of a checkout takes, with all processes that it starts."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "MEMSHIELD_HOME": str(home / "home"),
        "PREFECT_HOME": str(home / "prefect"),
    }
    before, start = children_seconds(), time.monotonic()
    words = [sys.executable, "-m", "flows.cli", name, str(source), str(dest), "--preset", "cpu", "--no-server"]
    subprocess.run(words, check=True, cwd=checkout, env=environment)
    return Taken(time.monotonic() - start, children_seconds() - before)


def _computed(clean: Path, dest: Path) -> Taken:
    """What the models' passes and publishing take, one after the other; by the clock without what threads do beside."""
    config = load_preset("cpu").protect
    places = Places(LocalFolder(str(clean)), LocalFolder(str(dest)))
    protection = Protection(places, config, RuntimeConfig(device="cpu"), seed=0)
    protection.begin()
    rounds = Rounds(config)
    with watched() as spent:
        for number in rounds:
            protection.fit.train_surrogate(number)
            rounds.close({shard: protection.fit.update_shard(shard, number) for shard in protection.shards})
    protection.fit.finish(rounds.losses)
    start = time.monotonic()
    publishing = seconds(lambda: [protection.publish(shard) for shard in protection.shards])
    clock = time.monotonic() - start
    waited = sum(taken for part, taken in spent.items() if part not in BESIDE)
    return Taken(waited + clock, sum(spent.values()) + publishing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--against", metavar="COMMIT")
    given = parser.parse_args()
    print_figures(run(given.photos, given.count, given.against))


if __name__ == "__main__":
    main()
