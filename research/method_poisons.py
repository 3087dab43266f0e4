"""Does noise that a finished model misreads keep a victim from learning what is there? Trials in memory.

python -m research.method_poisons --clean CORPUS/train --test CORPUS/test --out poisons.jsonl [--only NAME] [--seed 1]

Adversarial examples as poisons (Fowl et al., NeurIPS 2021; Huang et al., "self-ensemble protection", ICLR 2023): a
surrogate is trained on the clean pairs, then each image is moved, by 24 PGD steps, away from what its captions mean to
the surrogate, or to what the captions of another topic mean, the same other topic for all images of one. Several
surrogates: the model after more and more epochs. Model, schedule and images are those of `research.method_codes`;
captions stay as they are. --seed: of the victim.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from research.method_codes import CPU, MODEL, Pairs, both_queries, clusters, run_trials, train
from research.method_words import Bench
from mem_core.common.rng import generator
from mem_core.config import NoiseConfig
from mem_core.models import OpenClipEncoder, Tokenizer
from mem_core.models.image_batch import PixelBatch
from mem_core.models.token_rows import CaptionTokens
from mem_core.perturb.pgd import descend

_NOISE, _STEPS, _BATCH = NoiseConfig(), 24, 128


@dataclass(frozen=True)
class Poison:
    """One trial. ages: epochs that each surrogate was trained for. topics: 0 is away from the own captions."""

    name: str
    topics: int = 0
    ages: Sequence[int] = (12,)


TRIALS = (
    Poison("away from the own captions"),
    Poison("another of 8 topics", topics=8),
    Poison("another of 64 topics", topics=64),
    Poison("another of 8 topics, five surrogates", topics=8, ages=(1, 2, 4, 6, 12)),
)


@torch.no_grad()
def meant(model: OpenClipEncoder, pairs: Pairs, tokenizer: Tokenizer) -> Tensor:
    """What each image's captions mean to the model, less what all of them mean: [N, D], of length 1."""
    rows = tokenizer.encode([one for many in pairs.captions for one in many]).split(250)
    each = torch.cat([model.encode_text(piece) for piece in rows]).split([len(many) for many in pairs.captions])
    means = torch.stack([own.mean(dim=0) for own in each])
    return normalize(means - means.mean(dim=0), dim=1)


def directions(meaning: Tensor, topics: Tensor | None) -> Tensor:
    """Where each image is to move in the surrogate's space [N, D]; topics: int64 [N], those it is to be moved among."""
    if topics is None:
        return -meaning
    count = int(topics.max()) + 1
    centres = normalize(torch.stack([meaning[topics == k].mean(dim=0) for k in range(count)]), dim=1)
    return centres[(topics + 1) % count] - centres[topics]


def poisoned(models: Sequence[OpenClipEncoder], aims: Sequence[Tensor], pixels: Tensor) -> Tensor:
    """The images uint8 [N, 3, H, W] with noise that moves each along the directions [N, D] of every model."""
    published = []
    for places in torch.arange(len(pixels)).split(_BATCH):
        draw = generator(0, "poison", int(places[0]))
        batch = PixelBatch(list(pixels[places]), None, CPU)
        for _ in range(_STEPS):
            views = batch.draw_views(_NOISE.view, models[0].image_size, draw)
            seen = batch.look(views).requires_grad_()
            moved = [
                (normalize(model.encode_image(seen), dim=1) * aim[places]).sum()
                for model, aim in zip(models, aims, strict=True)
            ]
            descend(batch, views, torch.autograd.grad(-torch.stack(moved).sum(), seen)[0], _NOISE)
        published.append((pixels[places].to(torch.int16) + torch.stack(batch.noise())).to(torch.uint8))
    return torch.cat(published)


class PoisonBench:
    """The corpus, and the surrogates that were trained on it."""

    def __init__(self, bench: Bench) -> None:
        self.pairs, self.test, self.tokenizer = bench.pairs, bench.test, bench.tokenizer
        self._tokens = CaptionTokens(self.pairs.captions, self.tokenizer.encode)
        self._topics = {count: clusters(bench.meaning, count) for count in {trial.topics for trial in TRIALS} - {0}}
        self._trained: dict[int, OpenClipEncoder] = {}

    def run(self, trial: Poison, seed: int) -> Iterator[dict[str, object]]:
        """One victim's line."""
        started = time.process_time()
        models = [self._surrogate(epochs) for epochs in trial.ages]
        topics = self._topics.get(trial.topics)
        aims = [directions(meant(model, self.pairs, self.tokenizer), topics) for model in models]
        pixels = poisoned(models, aims, self.pairs.pixels)
        made = time.process_time() - started
        model, losses = train(pixels, self._tokens, _NOISE.view, self._schedule(6), seed)
        found = both_queries(model, self.test, self.tokenizer)
        yield {"name": trial.name, "seed": seed, "losses": losses, **found, "noise_seconds": round(made)}

    def _surrogate(self, epochs: int) -> OpenClipEncoder:
        if epochs not in self._trained:
            model, _ = train(self.pairs.pixels, self._tokens, _NOISE.view, self._schedule(epochs), seed=77)
            self._trained[epochs] = model
        return self._trained[epochs]

    def _schedule(self, epochs: int) -> argparse.Namespace:
        return argparse.Namespace(model=MODEL, epochs=epochs, rate=2e-3, warm=30)


def main() -> None:
    run_trials("method_poisons", __doc__, TRIALS, lambda clean, test: PoisonBench(Bench(clean, test)).run)


if __name__ == "__main__":
    main()
