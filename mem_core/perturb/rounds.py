"""Steps 2 and 3 of a round of MEM (paper, section 3.3 and figure 3) for one shard: with the surrogate frozen, triggers,
then noise.

Step 1 is in `surrogate.py`. In step 3 (eq. 5) captions are shuffled in a batch while each image keeps its own trigger.
Departure: in step 2 as well (`trigger.captions: own` is the original's).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.common.prefetch import prefetch_map
from mem_core.common.progress import Progress
from mem_core.common.rng import generator
from mem_core.data.shard_cache import LoadedShard
from mem_core.models.device import moved
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.token_rows import CaptionTokens, batches, with_trigger
from mem_core.perturb.caption_pairing import Pairing, pairings
from mem_core.perturb.context import FitContext
from mem_core.perturb.hotflip import WordSearch, update_triggers
from mem_core.perturb.pgd import update_noise
from mem_core.perturb.state import ShardState
from mem_core.perturb.surrogate import Surrogate

_LOSS_DECIMALS = 3
_MOST_READ_AHEAD = 512 * 2**20  # bytes of clean pixels and noise in two batches; large pictures go one batch at a time


def update_shard(
    shard: LoadedShard,
    state: ShardState,
    surrogate: Surrogate,
    context: FitContext,
    round_number: int,
    progress: Progress,
) -> ShardState:
    """One more round for a shard: HotFlip on its triggers (paper, eq. 6), then PGD on its noise (eq. 5)."""
    captions = context.tokens_of([sample.captions for sample in shard.samples])
    draw = generator(context.draw_seed, "round", round_number, shard.name)
    noise, triggers = list(state.noise), state.trigger_ids.clone()
    losses = []
    done = 0
    order = list(batches(len(shard.samples), context.config.batch_size, draw))
    for places, pixels in _with_pixels(order, shard, state.noise, context.device):
        batch = _Batch(shard, places, pixels, captions, surrogate.for_batch(len(places), context), context, draw)
        if context.recipe.trigger == "optimised" and round_number < context.config.trigger.rounds:
            triggers[places] = batch.better_triggers(triggers[places], settled=round_number > 0)
        if context.recipe.steps_noise:
            losses.append(batch.better_noise(triggers[places]))
            for place, updated in zip(places.tolist(), pixels.noise(), strict=True):
                noise[place] = updated
        done += len(places)
        progress(done, len(shard.samples), f"round {round_number + 1}")
    # Rounded, as it is kept: further digits of a sum over a batch depend on the number of threads.
    mean = round(torch.stack(losses).mean().item(), _LOSS_DECIMALS) if losses else 0.0
    return ShardState(noise, triggers, round_number + 1, (*state.losses, mean))


def _with_pixels(
    order: Sequence[Tensor], shard: LoadedShard, noise: Sequence[Tensor], device: torch.device
) -> Iterator[tuple[Tensor, PixelBatch]]:
    """The batches with their pixels and the noise so far; the next one is read while one is worked on."""

    def read(places: Tensor) -> tuple[Tensor, PixelBatch]:
        return places, PixelBatch([shard.pixels(i) for i in places], [noise[i] for i in places], device)

    def size(places: Tensor) -> int:
        return sum(2 * 3 * shard.pictures[i].height * shard.pictures[i].width for i in places)

    return prefetch_map(read, order, depth=1, weight=size, heaviest=_MOST_READ_AHEAD)


@dataclass(frozen=True)
class _Batch:
    """Samples that are each other's negatives, with all that is drawn for them."""

    shard: LoadedShard
    places: Tensor
    pixels: PixelBatch
    captions: CaptionTokens
    model: FrozenEncoder
    context: FitContext
    draw: torch.Generator

    def better_triggers(self, triggers: Tensor, *, settled: bool) -> Tensor:
        """Step 2: trigger ids int64 [B, L] -> better ones, on the CPU.

        settled: a language model proposed the words already, in a round before. It proposes anew in every round, beside
        the words as they are by then; where the paper's scoring changes a whole batch at once they may then stay.
        """
        context, config = self.context, self.context.config.trigger
        views = self.pixels.draw_views(context.config.noise.view, self.model.encoder.image_size, self.draw)
        fluent = context.fluent
        own = [self.shard.samples[i].captions[0] for i in self.places]

        def propose(beams: Tensor, position: int) -> Tensor:
            assert fluent is not None
            places = [context.places_in(caption) for caption in own]
            return fluent.propose(own, beams.cpu(), position, settled=settled, places=places).to(beams.device)

        vocabulary, end_id = context.vocabulary.ids.to(context.device), context.tokenizer.end_id
        keeps = settled and config.scoring == "batch"
        rows, where = self._drawn_captions(own=config.captions == "own")
        return update_triggers(
            triggers.to(context.device),
            rows,
            self.model.encode_images(self.pixels.look(views)),
            self.model,
            config,
            WordSearch(vocabulary, end_id, propose if fluent is not None else None, keeps),
            where,
        ).cpu()

    def better_noise(self, triggers: Tensor) -> Tensor:
        """Step 3: changes the noise in `pixels`; returns the loss before the last of its steps, a scalar."""
        texts, uphill = self.texts(triggers), self.context.recipe.noise == "adversarial"
        return update_noise(self.pixels, texts, self.model, self.context.config.noise, self.draw, uphill=uphill)

    def texts(self, triggers: Tensor) -> list[Tensor]:
        """For step 3: features [B, D] of the captions the images are paired with, one tensor for each caption draw."""
        noise = self.context.config.noise
        drawn = pairings(self.context, min(noise.caption_draws, noise.num_steps))
        rows = [self._prompts(triggers, pairing) for pairing in drawn]
        return [self.model.encode_texts(row) for row in rows]

    def _prompts(self, triggers: Tensor, pairing: Pairing) -> Tensor:
        rows, where = self._drawn_captions(own=pairing.own_captions)
        if not pairing.trigger:
            return rows
        return with_trigger(rows, triggers.to(self.context.device), self.context.tokenizer.end_id, where)

    def _drawn_captions(self, *, own: bool = False) -> tuple[Tensor, Tensor | None]:
        """A caption for every image, its own or that of another image of the batch, with the places for its words."""
        rows, where = self.captions.draw_placed(self.places, self.draw, room=self.context.config.trigger.length)
        if self.context.recipe.shuffles_captions and not own:
            order = torch.randperm(len(rows), generator=self.draw)
            rows, where = rows[order], None if where is None else where[order]
        device = self.context.device
        return moved(rows, device), None if where is None else moved(where, device)
