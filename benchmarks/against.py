"""The PGD step of an earlier commit and of the working tree in floors, and SSIM, alternating in one process.

    python -m benchmarks.against COMMIT [--repeats 9]

`mem_core` of the commit is put aside under another name; floor and images are those of `benchmarks.pgd_step`, and the
model is as each version works with it.
"""

import argparse
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Figure, alternate, print_figures, quartiles, ratios
from benchmarks.pgd_step import CASES, Bench, Case
from mem_core.config import NoiseConfig, RuntimeConfig
from mem_core.data.images import Pixels
from mem_core.models.device import resolve_precision
from mem_core.models.frozen_encoder import FrozenEncoder

_CPU = torch.device("cpu")
_BEFORE = "mem_core_before"


@contextmanager
def earlier(commit: str) -> Iterator[str]:
    """The name under which `mem_core` of that commit can be imported meanwhile."""
    packed = subprocess.run(["git", "archive", commit, "mem_core"], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(place)  # our own; Python before 3.11.4 has no filter
        home = Path(place) / "mem_core"
        for file in home.rglob("*.py"):
            file.write_text(re.sub(r"\bmem_core\b", _BEFORE, file.read_text()))
        home.rename(home.with_name(_BEFORE))
        sys.path.insert(0, place)
        try:
            yield _BEFORE
        finally:
            sys.path.remove(place)


def measure(case: Case, before: str, repeats: int) -> list[Figure]:
    """A step of both versions in floors of one encoder."""
    bench = Bench(case, resolve_precision(RuntimeConfig(), _CPU))
    works: dict[str, Callable[[], Any]] = {"floor": bench.floor}
    for name, package in (("before", before), ("now", "mem_core")):
        works[name] = _step(bench, package)
    times = alternate(works, repeats)
    figures = []
    for name in ("before", "now"):
        low, middle, high = quartiles(ratios(times[name], times["floor"]))
        figures.append(Figure(group=case.name, name=name, value=middle, unit="floors", low=low, high=high))
    return figures


def _step(bench: Bench, package: str) -> Callable[[], object]:
    names = ("models", "models.image_batch", "perturb.pgd")
    models, image_batch, pgd = (import_module(f"{package}.{name}") for name in names)
    draw = torch.Generator().manual_seed(0)
    zeros = [torch.zeros_like(image, dtype=torch.int8) for image in bench.clean]
    pixels = image_batch.PixelBatch(bench.clean, zeros, _CPU)
    encoder = models.build_model(bench.case.architecture, seed=0).freeze()
    fast = encoder.folded() if hasattr(encoder, "folded") else encoder  # since 0.7.0
    model = FrozenEncoder(fast, bench.precision)
    return lambda: pgd.update_noise(pixels, [bench.texts], model, NoiseConfig(num_steps=1), draw)


def measure_ssim(before: str, repeats: int) -> list[Figure]:
    """How much faster SSIM of a photograph and its protected twin is now."""
    random = np.random.default_rng(0)
    clean = random.integers(0, 248, (375, 500, 3)).astype(np.uint8)
    shown = clean + random.integers(0, 9, clean.shape).astype(np.uint8)
    works = {package: _ssim(package, clean, shown) for package in (before, "mem_core")}
    times = alternate(works, repeats)
    low, middle, high = quartiles(ratios(times[before], times["mem_core"]))
    return [Figure(group="SSIM, 500 x 375 px", name="speed over before", value=middle, unit="x", low=low, high=high)]


def _ssim(package: str, clean: Pixels, shown: Pixels) -> Callable[[], object]:
    ssim = import_module(f"{package}.data.image_quality").ssim
    return lambda: ssim(clean, shown)


def run(commit: str, repeats: int, cases: Sequence[Case] = CASES) -> list[Figure]:
    torch.set_num_threads(1)
    with earlier(commit) as before:
        steps = [figure for case in cases for figure in measure(case, before, repeats)]
        return [*steps, *measure_ssim(before, repeats)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="what the working tree is compared with")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    print_figures(run(given.commit, given.repeats))


if __name__ == "__main__":
    main()
