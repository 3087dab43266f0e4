"""Step 1 of a round (paper, eq. 4's inner minimum): the surrogate learns the corpus as it is protected so far.

In the only round of a method that learns first (UAP) nothing is protected yet: it learns the clean pairs.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.common.prefetch import prefetch
from mem_core.common.progress import Progress
from mem_core.common.rng import generator
from mem_core.data.shard_cache import Failures, LoadedShard
from mem_core.models import OpenClipEncoder
from mem_core.models.device import autocast, cpu_threads, moved
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import seen_once
from mem_core.models.loss import Anchors
from mem_core.models.token_rows import batches, with_trigger
from mem_core.models.training import training_step
from mem_core.perturb.caption_pairing import pairings
from mem_core.perturb.context import FitContext
from mem_core.perturb.state import ShardState

Held = Callable[[str], tuple[LoadedShard, ShardState]]


@dataclass(frozen=True)
class Surrogate:
    """The frozen model of one round, and the features that fill small batches up."""

    model: OpenClipEncoder
    anchors: Anchors

    def for_batch(self, pairs: int, context: FitContext) -> FrozenEncoder:
        """The model against as many negatives as a full batch has."""
        missing = context.config.batch_size - pairs
        anchors = self.anchors.first(missing) if missing > 0 else None
        return FrozenEncoder(self._fast, context.precision, context.micro_batcher, anchors)

    @cached_property
    def _fast(self) -> OpenClipEncoder:
        """Made of the model as it is when the first batch is asked for: of one that is trained no further."""
        return self.model.folded()

    @property
    def nbytes(self) -> int:
        """Of its weights in memory, with those that were folded, as soon as there are any."""
        models = [self.model, self._fast] if "_fast" in vars(self) else [self.model]
        weights = {id(weight): weight for model in models for weight in model.clip.parameters()}  # most are shared
        return sum(weight.nbytes for weight in weights.values())


@dataclass(frozen=True)
class SurrogateTraining:
    """A surrogate between two rounds, or between two parts of a round: parts are those that are done.

    samples: of the corpus, which the number of steps may follow.
    """

    model: OpenClipEncoder
    optimizer: torch.optim.Optimizer
    samples: int = 0
    parts: int = 0


def train_surrogate(
    training: SurrogateTraining,
    shards: Sequence[str],
    held: Held,
    context: FitContext,
    round_number: int,
    progress: Progress,
    keep: Callable[[SurrogateTraining], None] = lambda training: None,
) -> tuple[Surrogate, list[float]]:
    """The steps of a round over batches from all shards. Returns the surrogate, frozen, and the loss of each step.

    keep: is given the training between two parts of the round, to go on from; the losses are those from there on.
    """
    model, parts, losses = training.model, context.config.surrogate_parts, list[float]()

    def batches_of(part: int) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Prepared by a thread while the step before is taken."""
        return prefetch(_batches_of_corpus(shards, held, context, round_number + part, model.image_size), depth=1)

    stream = batches_of(training.parts)
    try:
        with cpu_threads(context.config.surrogate.cpu_threads):
            for part in range(training.parts, parts):
                stream.close()
                stream = batches_of(part)
                losses += _steps(training, stream, part, context, progress)
                if part + 1 < parts:
                    keep(replace(training, parts=part + 1))
            model.freeze()
            anchors = _features(model, *next(stream), context)
    finally:
        stream.close()
    return Surrogate(model, anchors), losses


def _steps(
    training: SurrogateTraining,
    stream: Iterator[tuple[Tensor, Tensor]],
    part: int,
    context: FitContext,
    progress: Progress,
) -> list[float]:
    samples = training.samples
    total, each = context.config.surrogate_steps(samples), context.config.surrogate.steps(samples)
    losses = []
    training.model.train()
    for step in range(part * each, (part + 1) * each):
        images, tokens = next(stream)
        try:
            loss, _, _ = training_step(training.model, training.optimizer, images, tokens, context.precision)
        except torch.OutOfMemoryError as error:  # not cut into micro-batches: batch norm sees the whole batch
            raise ConfigError(
                f"expected {len(images)} pairs to fit into the device's memory for a training step of "
                f"{training.model.architecture}, but they do not: set a smaller protect.surrogate.batch_size"
            ) from error
        losses.append(loss)
        if step % 10 == 9 or step + 1 == total:
            progress(step + 1, total, f"surrogate loss {loss.item():.2f}")
    return torch.stack(losses).tolist() if losses else []


def _batches_of_corpus(
    shards: Sequence[str], held: Held, context: FitContext, round_number: int, side: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (images float [B, 3, S, S], token rows [B, T]) from pools of shards, so memory is a pool's."""
    config = context.config
    epoch = 0
    while True:
        draw = generator(context.seed, "surrogate", round_number, epoch)
        used, failures = 0, Failures()
        order = [shards[i] for i in torch.randperm(len(shards), generator=draw)]
        for first in range(0, len(order), config.surrogate.pool_shards):
            pool = [held(name) for name in order[first : first + config.surrogate.pool_shards]]
            for shard, _ in pool:
                failures.add(shard)
            for images, rows in _batches_of_pool(pool, context, side, draw):
                used += len(rows)
                yield images, rows
        if not used:
            raise failures.error(
                f"expected at least 2 usable samples to fit on, but no {config.surrogate.pool_shards} shards "
                f"(protect.surrogate.pool_shards) of this corpus have so many together"
            )
        epoch += 1


def _batches_of_pool(
    pool: Sequence[tuple[LoadedShard, ShardState]], context: FitContext, side: int, draw: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    samples = [(shard, state, i) for shard, state in pool for i in range(len(shard.samples))]
    captions = context.tokens_of([shard.samples[i].captions for shard, _, i in samples])
    triggered = context.recipe.trigger != "none"
    drawn = list(batches(len(samples), context.config.surrogate.batch_size, draw))
    for places, pairing in zip(drawn, pairings(context, len(drawn)), strict=True):
        if len(places) < 2:
            continue  # a single pair has no negative: no loss, no step
        chosen = [samples[place] for place in places]
        clean, noise = [shard.pixels(i) for shard, _, i in chosen], [state.noise[i] for _, state, i in chosen]
        images = seen_once(clean, context.config.noise.view, side, draw, context.device, noise)
        rows, where = captions.draw_placed(places, draw, room=context.config.trigger.length)
        shuffles = context.recipe.shuffles_captions and context.config.surrogate.captions == "shuffled"
        if shuffles and not pairing.own_captions:
            order = torch.randperm(len(rows), generator=draw)
            rows, where = rows[order], None if where is None else where[order]
        if triggered and pairing.trigger:
            ids = torch.stack([state.trigger_ids[i] for _, state, i in chosen])
            rows = with_trigger(rows, ids, context.tokenizer.end_id, where)
        yield images, moved(rows, context.device)


def _features(model: OpenClipEncoder, images: Tensor, tokens: Tensor, context: FitContext) -> Anchors:
    with torch.no_grad(), autocast(context.device, context.precision):
        return Anchors(model.encode_image(images), model.encode_text(tokens))
