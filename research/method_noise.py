"""Does error-minimizing noise last longer if it is made for what crawlers do? Trials in memory, minutes of a core each.

python -m research.method_noise --clean CORPUS/train --test CORPUS/test --out noise.jsonl [--only NAME] [--seed 1]

Model, schedule and images are those of `research.method_codes`, but each image has one caption, its first, as on most
of the web: with five, a noise for the image cannot say which of them is meant. Noise is EM's, for own captions and
without words: four rounds of 94 surrogate steps and 6 PGD steps. A view may be taken of the image as a crawler leaves
(through the real codec or filter, which the gradient passes straight), the gradient may be that of two surrogates,
the noise may be held grey or coarse, and it may begin with waves, as a codebook's. --seed: of the victim.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from research.method_codes import CPU, MODEL, Pairs, both_queries, run_trials, train
from research.method_words import ATTACKS, FIRST, Bench, treated
from mem_core.common.rng import derived_seed, generator
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import NoiseConfig
from mem_core.models import OpenClipEncoder, build_model
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import contrastive_loss
from mem_core.models.token_rows import CaptionTokens, batches
from mem_core.models.training import make_optimizer, training_step
from mem_core.perturb.pgd import descend
from mem_core.victim.countermeasures.images import Jpeg

VIT = "tiny-vit-32"
_ROUNDS, _STEPS, _RATE, _BATCH = 4, 94, 2e-3, 128
_NOISE = NoiseConfig()
_CRAWLS = (None, Jpeg(quality=90), *ATTACKS.values())
Shape = Literal["free", "grey", "coarse"]


@dataclass(frozen=True)
class Noise:
    """One trial. crawled: views are of the image as some crawler leaves it. waves: begins with a codebook's.

    rounds 0: no steps at all. vit: a victim with patches, in place of one that reads JPEG.
    """

    name: str
    rounds: int = _ROUNDS
    surrogates: Sequence[str] = (MODEL,)
    crawled: bool = False
    shape: Shape = "free"
    waves: bool = False
    vit: bool = False


TRIALS = (
    Noise("clean", rounds=0),
    Noise("EM"),
    Noise("EM through what crawlers do", crawled=True),
    Noise("EM, coarse", shape="coarse"),
    Noise("EM, grey", shape="grey"),
    Noise("clean, victim with patches", rounds=0, vit=True),
    Noise("EM, victim with patches", vit=True),
    Noise("EM of two surrogates, victim with patches", surrogates=(MODEL, VIT), vit=True),
    Noise("waves", rounds=0, waves=True),
    Noise("EM from the waves", waves=True),
)


def held(gradient: Tensor, shape: Shape) -> Tensor:
    """A gradient [B, 3, S, S] whose signed steps leave noise grey, or alike in blocks of 2 by 2."""
    if shape == "grey":
        return gradient.mean(dim=1, keepdim=True).expand_as(gradient)
    return interpolate(avg_pool2d(gradient, 2), scale_factor=2) if shape == "coarse" else gradient


def minimised(trial: Noise, pixels: Tensor, noise: Tensor, captions: CaptionTokens) -> Tensor:
    """EM's noise int8 [N, 3, H, W] that begins with the given one."""
    models = [build_model(name, derived_seed(0, "surrogate", place)) for place, name in enumerate(trial.surrogates)]
    optimizers = [make_optimizer(model, _RATE, 0.2) for model in models]
    for number in range(trial.rounds):
        draw = generator(0, "noise", number)
        for model, optimizer in zip(models, optimizers, strict=True):
            _learn(model, optimizer, pixels, noise, captions, draw)
        for places in batches(len(pixels), _BATCH, draw):
            noise[places] = _stepped(trial, models, pixels[places], noise[places], captions, places, draw)
    return noise


def _learn(
    model: OpenClipEncoder,
    optimizer: torch.optim.Optimizer,
    pixels: Tensor,
    noise: Tensor,
    captions: CaptionTokens,
    draw: torch.Generator,
) -> None:
    model.train().requires_grad_(True)
    stream = _endless(len(pixels), draw)
    for _ in range(_STEPS):
        places = next(stream)
        batch = PixelBatch(list(pixels[places]), list(noise[places]), CPU)
        seen = batch.look(batch.draw_views(_NOISE.view, model.image_size, draw))
        training_step(model, optimizer, seen, captions.draw(places, draw), torch.float32)
    model.freeze()


def _endless(count: int, draw: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield from batches(count, _BATCH, draw)


def _stepped(
    trial: Noise,
    models: Sequence[OpenClipEncoder],
    pixels: Tensor,
    noise: Tensor,
    captions: CaptionTokens,
    places: Tensor,
    draw: torch.Generator,
) -> Tensor:
    """The noise of a batch after all PGD steps of a round."""
    rows = captions.draw(places, draw)
    with torch.no_grad():
        texts = [model.encode_text(rows) for model in models]
    for _ in range(_NOISE.num_steps):
        batch = PixelBatch(list(pixels), list(noise), CPU)
        views = batch.draw_views(_NOISE.view, models[0].image_size, draw)
        seen = batch.look(views)
        if trial.crawled:
            published = (pixels.to(torch.int16) + noise).to(torch.uint8)
            chosen = [_CRAWLS[i] for i in torch.randint(len(_CRAWLS), (len(pixels),), generator=draw)]
            seen = PixelBatch(list(treated(published, chosen)), None, CPU).look(views)
        seen.requires_grad_()
        losses = [
            contrastive_loss(m.encode_image(seen), text, m.logit_scale) for m, text in zip(models, texts, strict=True)
        ]
        gradient = torch.autograd.grad(torch.stack(losses).sum(), seen)[0]
        descend(batch, views, held(gradient, trial.shape), _NOISE)
        noise = torch.stack(batch.noise())
    return noise


class NoiseBench:
    """The corpus with one caption an image, and its images with the waves of their topics."""

    def __init__(self, clean: LocalFolder, test: LocalFolder) -> None:
        bench = Bench(clean, test)
        self.test, self.tokenizer = bench.test, bench.tokenizer
        self.pairs = Pairs(bench.pairs.pixels, [many[:1] for many in bench.pairs.captions])
        self._waved = bench.worn(FIRST, bench.topics(FIRST))

    def run(self, trial: Noise, seed: int) -> Iterator[dict[str, object]]:
        """A line for each victim."""
        started = time.process_time()
        pixels = self.pairs.pixels
        tokens = CaptionTokens(self.pairs.captions, self.tokenizer.encode)
        start = self._waved.to(torch.int16) - pixels if trial.waves else torch.zeros_like(pixels)
        noise = minimised(trial, pixels, start.to(torch.int8), tokens)
        published = (pixels.to(torch.int16) + noise).to(torch.uint8)
        made = time.process_time() - started
        saved = treated(published, [ATTACKS["as JPEG 75"]] * len(published))
        victims = (
            [("vit", VIT, published)] if trial.vit else [("published", MODEL, published), ("jpeg-75", MODEL, saved)]
        )
        for victim, model, seen in victims:
            yield self._line(trial, victim, model, seen, tokens, seed) | {"noise_seconds": round(made)}

    def _line(
        self, trial: Noise, victim: str, model: str, pixels: Tensor, tokens: CaptionTokens, seed: int
    ) -> dict[str, object]:
        schedule = argparse.Namespace(model=model, epochs=6, rate=2e-3 if model == MODEL else 1e-3, warm=30)
        found, losses = train(pixels, tokens, _NOISE.view, schedule, seed)
        return {
            "name": trial.name,
            "victim": victim,
            "seed": seed,
            "losses": losses,
            **both_queries(found, self.test, self.tokenizer),
        }


def main() -> None:
    run_trials("method_noise", __doc__, TRIALS, lambda clean, test: NoiseBench(clean, test).run)


if __name__ == "__main__":
    main()
