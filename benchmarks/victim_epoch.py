"""A victim's epoch against its bare steps: what reading, views, tokens, looks and saves add to training itself.

    python -m benchmarks.victim_epoch [--quick] [--repeats 5]

Epoch: from one call of `train_victim`'s checkpoint to the next, on photographs of 500 x 375 pixels with five captions,
with the looks at test and validation pairs in Flickr8k's proportions (one for six and one for twelve), or without them.
Bare: as many training steps on a batch that is ready and, with looks, the encoders' passes over as many inputs that are
ready. They alternate in one process; a ratio is that of neighbours. In processor time everything counts, in waiting
time only what training waits for: views are drawn by a thread beside it.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.harness import Figure, print_figures, quartiles, ratios
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import RuntimeConfig
from mem_core.data.shard import Sample, shard_bytes
from mem_core.models import build_model, tokenizer_for
from mem_core.models.device import autocast, resolve_precision
from mem_core.models.token_rows import without_padding
from mem_core.models.training import make_optimizer, training_step
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.training import VictimData, train_victim

_CPU, _RUNTIME = torch.device("cpu"), RuntimeConfig(device="cpu")
_WIDTH, _HEIGHT = 500, 375
_MOST = 1.05
_WORDS = "dog cat man woman child ball grass water red blue green runs jumps sits over near the a two with"
_CAPTIONS = 5


@dataclass(frozen=True)
class Case:
    """A model with so many training samples in batches of so many."""

    architecture: str
    samples: int
    batch: int
    repeats: int


CASES = (Case("tiny-resnet", 512, 128, 5), Case("RN50", 16, 8, 3))


def photo(seed: int) -> bytes:
    """A JPEG of smooth colours with grain; one in four stands upright."""
    draw = np.random.default_rng(seed)
    size = (_HEIGHT, _WIDTH) if seed % 4 == 0 else (_WIDTH, _HEIGHT)
    coarse = Image.fromarray(draw.integers(0, 256, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = draw.integers(-12, 13, (size[1], size[0], 3))
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(coarse).astype(int) + grain, 0, 255).astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def caption(seed: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(_WORDS.split(), 10))


def corpus(path: Path, count: int, start: int) -> LocalFolder:
    """One shard; no start below `count` apart from another has an image in common with it."""
    folder, items = LocalFolder(path), []
    for place in range(start, start + count):
        captions = tuple(caption(_CAPTIONS * place + number) for number in range(_CAPTIONS))
        items.append(Sample(f"00000{place - start:04d}", photo(place), "jpg", captions, {}))
    write_bytes(folder, "00000.tar", shard_bytes(items))
    return folder


class Bare:
    """Training steps, and the passes of looks, on inputs that are ready."""

    def __init__(self, case: Case, test: int, validation: int) -> None:
        self.model = build_model(case.architecture, seed=0)
        self.optimizer = make_optimizer(self.model, 1e-3, 0.2)
        self.precision = resolve_precision(_RUNTIME, _CPU)
        self.steps = case.samples // case.batch
        side, encode = self.model.image_size, tokenizer_for(self.model).encode
        draw = torch.Generator().manual_seed(0)
        self.images = torch.rand(case.batch, 3, side, side, generator=draw)
        self.rows = without_padding(encode([caption(place) for place in range(case.batch)]))
        self.seen = [torch.rand(count, 3, side, side, generator=draw) for count in (test, validation) if count]
        self.asked = [
            without_padding(encode([caption(place) for place in range(count)]))
            for count in (_CAPTIONS * test, validation)
            if count
        ]

    def epoch(self) -> None:
        self.model.train().requires_grad_(True)
        for _ in range(self.steps):
            training_step(self.model, self.optimizer, self.images, self.rows, self.precision)
        self.model.freeze()
        with torch.no_grad(), autocast(_CPU, self.precision):
            for images in self.seen:
                for piece in images.split(256):
                    self.model.encode_image(piece)
            for rows in self.asked:
                for piece in rows.split(256):
                    self.model.encode_text(piece)


class Laps:
    """Seconds of epochs and of bare ones between them, of the processor and of the clock."""

    def __init__(self, bare: Callable[[], None]) -> None:
        self._bare = bare
        self._began: tuple[float, float] | None = None
        self.epochs: list[tuple[float, float]] = []
        self.bares: list[tuple[float, float]] = []

    def lap(self) -> None:
        """At the end of an epoch; the first one also decodes the corpus and does not count."""
        if self._began is not None:
            self.epochs.append(_since(self._began))
            began = _now()
            self._bare()
            self.bares.append(_since(began))
        self._began = _now()


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    processor, clock = _now()
    return processor - began[0], clock - began[1]


def measure(case: Case, repeats: int, *, looks: bool) -> list[Figure]:
    """The epoch over bare ones, in processor time and in waiting time."""
    test, validation = (max(2, case.samples // 6), max(2, case.samples // 12)) if looks else (0, 0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = VictimData(
            corpus(root / "train", case.samples, 0),
            test=corpus(root / "test", test, 10_000) if looks else None,
            validation=corpus(root / "val", validation, 20_000) if looks else None,
            queries=EvaluateConfig(),
        )
        bare = Bare(case, test, validation)
        bare.epoch()
        laps = Laps(bare.epoch)
        config = VictimConfig(architecture=case.architecture, epochs=repeats + 1, batch_size=case.batch)
        train_victim(data, LocalFolder(root / "victim"), config, _RUNTIME, seed=0, checkpoint=laps.lap)
    name = f"{case.architecture}, {case.samples} photos, {'with looks' if looks else 'training alone'}"
    figures = []
    for place, clock in enumerate(("processor", "waiting")):
        values = ratios([lap[place] for lap in laps.epochs], [lap[place] for lap in laps.bares])
        low, middle, high = quartiles(values)
        figures.append(
            Figure(
                group="victim's epoch",
                name=f"{name}: {clock} time",
                value=middle,
                unit="bare epochs",
                low=low,
                high=high,
                bound=_MOST,
                floor="the same steps and passes on inputs that are ready",
            )
        )
    return figures


def run(*, quick: bool = False, repeats: int | None = None) -> list[Figure]:
    """All cases; `quick` leaves out the large model."""
    torch.set_num_threads(1)
    figures = []
    for case in CASES[:1] if quick else CASES:
        wanted = repeats or (2 if quick else case.repeats)
        figures += [figure for looks in (False, True) for figure in measure(case, wanted, looks=looks)]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the small model, fewer repeats")
    parser.add_argument("--repeats", type=int, help="measured epochs of each case")
    arguments = parser.parse_args()
    print_figures(run(quick=arguments.quick, repeats=arguments.repeats))


if __name__ == "__main__":
    main()
