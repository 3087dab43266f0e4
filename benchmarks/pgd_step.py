"""The PGD step, the HotFlip pass and a round, in floors: a bare forward and backward-to-input of the same encoder.

    python -m benchmarks.pgd_step [--quick] [--repeats 7] [--precision auto]

Step: everything that `update_noise` does a step (views drawn, look, encode, contrastive loss, gradient, pull-back,
projection) on images at their own resolution. Floor: `encode_image` and its gradient on a batch that is ready, same
batch and precision, of the model as the library gives it; the step has its batch norms folded away. They alternate in
one process; a ratio is that of neighbouring runs.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.harness import Figure, alternate, print_figures, quartiles, ratios
from mem_core.config import NoiseConfig, RuntimeConfig, TriggerConfig
from mem_core.models import OpenClipEncoder, build_model, tokenizer_for
from mem_core.models.device import autocast, resolve_precision
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.token_rows import without_padding
from mem_core.perturb.hotflip import WordSearch, update_triggers
from mem_core.perturb.pgd import update_noise
from mem_core.perturb.vocabulary import build_vocabulary

_CPU = torch.device("cpu")
_MOST_HOTFLIP = 4.0  # floors that a pass may take
_STEPS = 2  # of PGD in one measured run, and floors in the run beside it
_CAPTION = "two dogs run over the wet grass behind a child in red"


@dataclass(frozen=True)
class Case:
    """A model, a batch of it, the published images in pixels, and the floors that a step may take."""

    architecture: str
    batch: int
    height: int
    width: int
    repeats: int
    most: float

    @property
    def name(self) -> str:
        return f"{self.architecture}, {self.batch} of {self.width} x {self.height} px"


CASES = (
    Case("tiny-resnet", 128, 128, 128, 9, 1.15),
    Case("tiny-resnet-32", 128, 32, 32, 15, 1.15),
    Case("tiny-resnet", 64, 375, 500, 9, 1.5),
    Case("RN50", 4, 256, 256, 5, 1.05),
    Case("RN50", 4, 375, 500, 5, 1.1),
)
_QUICK = 3  # of the cases: those of small models


class Bench:
    """A frozen encoder with a batch of noised images and the features of their captions."""

    def __init__(self, case: Case, precision: torch.dtype) -> None:
        self.case, self.precision = case, precision
        self.draw = torch.Generator().manual_seed(0)
        self.encoder: OpenClipEncoder = build_model(case.architecture, seed=0).freeze()
        self.fast = self.encoder.folded()  # as the rounds have it
        shape = (case.batch, 3, case.height, case.width)
        self.clean = list(torch.randint(0, 256, shape, generator=self.draw, dtype=torch.uint8))
        self.pixels = PixelBatch(self.clean, [torch.zeros_like(image, dtype=torch.int8) for image in self.clean], _CPU)
        size = self.encoder.image_size
        self.ready = torch.rand(case.batch, 3, size, size, generator=self.draw)
        with torch.no_grad():
            self.images = self.encoder.encode_image(self.ready)
        self.texts = normalize(torch.randn(self.images.shape, generator=self.draw), dim=-1)

    def floor(self) -> Tensor:
        """Forward and backward-to-input, nothing else."""
        seen = self.ready.detach().requires_grad_()
        with autocast(_CPU, self.precision):
            features = self.encoder.encode_image(seen)
        (gradient,) = torch.autograd.grad(features, seen, self.texts)
        return gradient

    def floors(self) -> None:
        for _ in range(_STEPS):
            self.floor()

    def steps(self) -> None:
        """PGD as the rounds run it."""
        config = NoiseConfig(num_steps=_STEPS)
        update_noise(self.pixels, [self.texts], FrozenEncoder(self.fast, self.precision), config, self.draw)

    def hotflip(self) -> Callable[[], None]:
        """One pass of HotFlip with the default settings: three positions, four candidates each."""
        config = TriggerConfig()
        tokenizer = tokenizer_for(self.encoder)
        words = build_vocabulary(tokenizer, config).ids
        captions = without_padding(tokenizer.encode([_CAPTION] * self.case.batch), room=config.length)
        start = words[torch.randint(len(words), (self.case.batch, config.length), generator=self.draw)]

        def run() -> None:
            model, search = FrozenEncoder(self.fast, self.precision), WordSearch(words, tokenizer.end_id)
            update_triggers(start, captions, self.images, model, config, search)

        return run


def measure(case: Case, precision: torch.dtype, repeats: int, *, hotflip: bool) -> list[Figure]:
    """The step in floors; with `hotflip` also the floor's own time and a HotFlip pass in floors."""
    bench = Bench(case, precision)
    works: dict[str, Callable[[], None]] = {"floor": bench.floors, "step": bench.steps}
    if hotflip:
        works["hotflip"] = bench.hotflip()
    times = alternate(works, repeats)
    name = f"{case.name}, {str(precision).removeprefix('torch.')}"
    floor = "forward and backward-to-input of the library's encoder"
    floors = [taken / _STEPS for taken in times["floor"]]
    figures = [_figure("PGD step", name, ratios(times["step"], times["floor"]), "floors", floor, case.most)]
    if hotflip:
        figures.append(_figure("HotFlip pass", name, ratios(times["hotflip"], floors), "floors", floor, _MOST_HOTFLIP))
    figures.append(_figure("floor", name, [1000 * taken for taken in floors], "ms", "", None))
    return figures


def _figure(group: str, name: str, values: list[float], unit: str, floor: str, bound: float | None) -> Figure:
    low, middle, high = quartiles(values)
    return Figure(group=group, name=name, value=middle, unit=unit, low=low, high=high, bound=bound, floor=floor)


def run(*, quick: bool = False, repeats: int | None = None, precision: torch.dtype | None = None) -> list[Figure]:
    """All cases; `quick` leaves out the large model."""
    torch.set_num_threads(1)
    chosen = precision or resolve_precision(RuntimeConfig(), _CPU)
    figures = []
    for case in CASES[:_QUICK] if quick else CASES:
        wanted = repeats or (max(3, case.repeats // 2) if quick else case.repeats)
        figures += measure(case, chosen, wanted, hotflip=case == CASES[0])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the small models, fewer repeats")
    parser.add_argument("--repeats", type=int, help="measured runs of each work")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    arguments = parser.parse_args()
    precision = None if arguments.precision == "auto" else getattr(torch, arguments.precision)
    print_figures(run(quick=arguments.quick, repeats=arguments.repeats, precision=precision))


if __name__ == "__main__":
    main()
