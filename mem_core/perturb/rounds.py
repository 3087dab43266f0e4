"""One round of MEM (paper, algorithm 1): train the surrogate a little; then, with it frozen, triggers, then noise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.progress import Progress
from mem_core.common.rng import generator
from mem_core.data.shard_cache import LoadedShard
from mem_core.models import OpenClipEncoder
from mem_core.models.device import autocast, cpu_threads
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import Anchors
from mem_core.models.token_rows import CaptionTokens, batches, with_trigger
from mem_core.models.training import training_step
from mem_core.perturb.caption_pairing import Pairing, pairings
from mem_core.perturb.context import FitContext
from mem_core.perturb.hotflip import update_triggers
from mem_core.perturb.pgd import update_noise
from mem_core.perturb.state import ShardState
from mem_core.perturb.universal import raise_loss

Held = Callable[[str], tuple[LoadedShard, ShardState]]

_LOSS_DECIMALS = 3


@dataclass(frozen=True)
class Surrogate:
    """The model of one round, the features that fill small batches up, and UAP's pattern where it is one."""

    model: OpenClipEncoder
    anchors: Anchors
    pattern: Tensor | None = None


def surrogate_steps(
    model: OpenClipEncoder,
    optimizer: torch.optim.Optimizer,
    pattern: Tensor | None,
    shards: Sequence[str],
    held: Held,
    context: FitContext,
    round_number: int,
    progress: Progress,
) -> tuple[Surrogate, list[float]]:
    """Step 1: the surrogate learns the corpus as it is protected so far. Returns it frozen, and its losses.

    For UAP the shared pattern then takes as many steps as the surrogate did.
    """
    stream = _surrogate_batches(shards, held, context, round_number, model.image_size)
    with cpu_threads(context.config.surrogate.cpu_threads):
        return _trained(model, optimizer, pattern, stream, context, progress)


def _trained(
    model: OpenClipEncoder,
    optimizer: torch.optim.Optimizer,
    pattern: Tensor | None,
    stream: Iterator[tuple[Tensor, Tensor]],
    context: FitContext,
    progress: Progress,
) -> tuple[Surrogate, list[float]]:
    total = context.config.surrogate.steps_per_round
    losses = []
    model.train()
    for step in range(total):
        images, tokens = next(stream)
        try:
            loss, _, _ = training_step(model, optimizer, images, tokens, context.precision)
        except torch.OutOfMemoryError as error:  # not cut into micro-batches: batch norm sees the whole batch
            raise ConfigError(
                f"expected {len(images)} pairs to fit into the device's memory for a training step of "
                f"{model.architecture}, but they do not: choose a smaller surrogate.batch_size"
            ) from error
        losses.append(loss)
        if step % 10 == 9 or step + 1 == total:
            progress(step + 1, total, f"surrogate loss {loss.item():.2f}")
    model.freeze()
    anchors = _features(model, *next(stream), context)
    if pattern is not None:
        pattern = raise_loss(pattern, stream, total, model, context.config.noise, context.precision)
    return Surrogate(model, anchors, pattern), torch.stack(losses).tolist() if losses else []


def advance(
    shard: LoadedShard,
    state: ShardState,
    surrogate: Surrogate,
    context: FitContext,
    round_number: int,
    progress: Progress,
) -> ShardState:
    """Steps 2 and 3 for one shard with the surrogate frozen: HotFlip on the triggers, then PGD on the noise."""
    captions = CaptionTokens([sample.captions for sample in shard.samples], context.tokenizer.encode)
    draw = generator(context.seed, "round", round_number, shard.name)
    noise, triggers = list(state.noise), state.trigger_ids.clone()
    losses = []
    done = 0
    for places in batches(len(shard.samples), context.config.batch_size, draw):
        batch = PixelBatch([shard.pixels(i) for i in places], [noise[i] for i in places], context.device)
        own = [shard.samples[i].captions[0] for i in places]
        step = _BatchStep(batch, captions, places, surrogate, context, draw, own, settled=round_number > 0)
        if context.recipe.trigger == "optimised" and round_number < context.config.trigger.rounds:
            triggers[places] = step.trigger_update(triggers[places])
        if context.recipe.noise == "optimised":
            losses.append(step.noise_update(triggers[places]))
            for place, updated in zip(places.tolist(), batch.noise(), strict=True):
                noise[place] = updated
        done += len(places)
        progress(done, len(shard.samples), f"round {round_number + 1}")
    # Rounded, as it is kept: further digits of a sum over a batch depend on the number of threads.
    mean = round(torch.stack(losses).mean().item(), _LOSS_DECIMALS) if losses else 0.0
    return ShardState(noise, triggers, round_number + 1, (*state.losses, mean))


class _BatchStep:
    """The two updates of one batch; captions are shuffled in it while each image keeps its own trigger."""

    def __init__(
        self,
        batch: PixelBatch,
        captions: CaptionTokens,
        places: Tensor,
        surrogate: Surrogate,
        context: FitContext,
        draw: torch.Generator,
        own: Sequence[str],
        *,
        settled: bool,
    ) -> None:
        """own: a caption of each image, that fluent words have to go with; settled: they did so in a round before."""
        self.batch, self.captions, self.places, self.draw = batch, captions, places, draw
        self.own, self.settled = own, settled
        self.model, self.context = surrogate.model, context
        missing = context.config.batch_size - len(places)
        self.anchors = surrogate.anchors.first(missing) if missing > 0 else None

    def trigger_update(self, triggers: Tensor) -> Tensor:
        """Step 2: better trigger ids, int64 [B, L], on the CPU."""
        context = self.context
        views = self.batch.draw_views(context.config.noise, self.model.image_size, self.draw)
        return update_triggers(
            triggers.to(context.device),
            self._drawn_captions(),
            context.micro_batcher.encode(self._encode_images, self.batch.look(views)),
            self.model,
            context.config.trigger,
            vocabulary=context.vocabulary.ids.to(context.device),
            end_id=context.tokenizer.end_id,
            anchors=self.anchors,
            precision=context.precision,
            micro_batcher=context.micro_batcher,
            propose=self._fluent_words if context.fluent is not None else None,
        ).cpu()

    def _fluent_words(self, triggers: Tensor, position: int) -> Tensor:
        """What reads well at one position of the triggers [B, W, L] before the images' own captions: [B, W, P]."""
        assert self.context.fluent is not None
        found = self.context.fluent.propose(self.own, triggers.cpu(), position, settled=self.settled)
        return found.to(triggers.device)

    def noise_update(self, triggers: Tensor) -> Tensor:
        """Step 3: better noise, inside `batch`; returns the loss, a scalar."""
        context = self.context
        draws = min(context.config.noise.caption_draws, context.config.noise.num_steps)
        rows = [self._prompts(triggers, drawn) for drawn in pairings(context, draws)]
        with torch.no_grad(), autocast(context.device, context.precision):
            texts = [self.model.encode_text(row) for row in rows]
        return update_noise(
            self.batch,
            texts,
            self.model,
            context.config.noise,
            anchors=self.anchors,
            precision=context.precision,
            draw=self.draw,
            micro_batcher=context.micro_batcher,
        )

    def _encode_images(self, seen: Tensor) -> Tensor:
        with autocast(self.context.device, self.context.precision):
            return self.model.encode_image(seen)

    def _prompts(self, triggers: Tensor, pairing: Pairing) -> Tensor:
        rows = self._drawn_captions(own=pairing.own_captions)
        if not pairing.trigger:
            return rows
        return with_trigger(rows, triggers.to(self.context.device), self.context.tokenizer.end_id)

    def _drawn_captions(self, *, own: bool = False) -> Tensor:
        """A caption for every image: its own, or that of another image of the batch."""
        rows = self.captions.draw(self.places, self.draw, room=self.context.config.trigger.length)
        if self.context.recipe.shuffles_captions and not own:
            rows = rows[torch.randperm(len(rows), generator=self.draw)]
        return rows.to(self.context.device)


def _surrogate_batches(
    shards: Sequence[str], held: Held, context: FitContext, round_number: int, side: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (images float [B, 3, S, S], token rows [B, T]) from pools of shards, so memory is a pool's."""
    config = context.config
    epoch = 0
    while True:
        draw = generator(context.seed, "surrogate", round_number, epoch)
        used = 0
        order = [shards[i] for i in torch.randperm(len(shards), generator=draw)]
        for first in range(0, len(order), config.surrogate.pool_shards):
            pool = [held(name) for name in order[first : first + config.surrogate.pool_shards]]
            for images, rows in _pool_batches(pool, context, side, draw):
                used += len(rows)
                yield images, rows
        if not used:
            raise SourceError(
                f"expected at least 2 usable samples to fit on, but no {config.surrogate.pool_shards} shards "
                f"(surrogate.pool_shards) of this corpus have so many together"
            )
        epoch += 1


def _pool_batches(
    pool: Sequence[tuple[LoadedShard, ShardState]], context: FitContext, side: int, draw: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    samples = [(shard, state, i) for shard, state in pool for i in range(len(shard.samples))]
    captions = CaptionTokens([shard.samples[i].captions for shard, _, i in samples], context.tokenizer.encode)
    triggered = context.recipe.trigger != "none"
    drawn = list(batches(len(samples), context.config.surrogate.batch_size, draw))
    for places, pairing in zip(drawn, pairings(context, len(drawn)), strict=True):
        if len(places) < 2:
            continue  # a single pair has no negative: no loss, no step
        chosen = [samples[place] for place in places]
        clean = [shard.pixels(i) for shard, _, i in chosen]
        batch = PixelBatch(clean, [state.noise[i] for _, state, i in chosen], context.device)
        images = batch.look(batch.draw_views(context.config.noise, side, draw))
        rows = captions.draw(places, draw, room=context.config.trigger.length)
        shuffles = context.recipe.shuffles_captions and context.config.surrogate.captions == "shuffled"
        if shuffles and not pairing.own_captions:
            rows = rows[torch.randperm(len(rows), generator=draw)]
        if triggered and pairing.trigger:
            rows = with_trigger(rows, torch.stack([s.trigger_ids[i] for _, s, i in chosen]), context.tokenizer.end_id)
        yield images, rows.to(context.device)


def _features(model: OpenClipEncoder, images: Tensor, tokens: Tensor, context: FitContext) -> Anchors:
    with torch.no_grad(), autocast(context.device, context.precision):
        return Anchors(model.encode_image(images), model.encode_text(tokens))
