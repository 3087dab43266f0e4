"""What a victim trains on: batches of images and captions, epoch by epoch, from shards and countermeasures."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice

import torch
from torch import Tensor

from mem_core.common.errors import SourceError
from mem_core.common.rng import generator
from mem_core.common.storage.folder import Folder
from mem_core.config import RuntimeConfig, ViewConfig
from mem_core.data.corpus import list_shards
from mem_core.data.shard_cache import LoadedShard, ShardCache
from mem_core.models import OpenClipEncoder, Tokenizer, tokenizer_for
from mem_core.models.image_batch import PixelBatch
from mem_core.models.token_rows import CaptionTokens, batches, with_trigger
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.applied import Applied

_POOL_SHARDS = 8  # shards that batches are mixed from; bounds memory, and part of what makes equal bytes


class PairStream:
    """The pairs of a corpus as a model of this input size and context length takes them.

    samples: how many usable ones there are, 0 until `count` has told. clean: the clean corpus, for the countermeasures
    that take something from it. Of a corpus larger than `config.samples` the same pairs are used whatever the seed.

    length: the same with those that a countermeasure leaves out. An epoch has as many steps as if none were: it goes
    over what is left more than once. So a victim of a part of the pairs is trained for as long as one of all, and
    differs from it by its pairs alone: in half of the steps it would have learned less for that reason too.
    """

    def __init__(
        self,
        corpus: Folder,
        config: VictimConfig,
        runtime: RuntimeConfig,
        seed: int,
        model: OpenClipEncoder,
        device: torch.device,
        clean: Folder | None = None,
    ) -> None:
        self.samples = self.length = 0
        self._config, self._seed, self._device = config, seed, device
        self._side, self._tokenizer = model.image_size, tokenizer_for(model)
        self._shards = list_shards(corpus)
        self._last: int | None = None  # samples taken from the last shard, None for all
        self._lengths: dict[str, int] = {}
        self._applied = Applied(config.countermeasures, clean, seed)
        cache_bytes = runtime.cache_mb * 2**20
        self._cache = ShardCache(
            corpus, max_pixels=2**40, max_bytes=cache_bytes, allow_empty=True, prepare=self._applied.before
        )
        self._views = ViewConfig(kind=config.views, crop_scale=config.crop_scale)

    def count(self) -> None:
        """Counts the usable samples, once. Raises `SourceError` if there are too few to contrast."""
        if self.samples:
            return
        limit = self._config.samples
        if limit is not None:
            draw = generator(0, "victim samples")
            self._shards = [self._shards[i] for i in torch.randperm(len(self._shards), generator=draw)]
        for place, name in enumerate(self._shards, start=1):
            self._lengths[name] = self._cache.load(name).usable
            if limit is not None and self.length + self._lengths[name] >= limit:
                self._shards, self._last = self._shards[:place], limit - self.length
                self._lengths[name] = self._last
            self.length += self._lengths[name]
            self.samples += len(self._load(name).samples)
            if self.length == limit:
                break
        self._require_steps()

    def _require_steps(self) -> None:
        """With more samples than pools, some pool has two to contrast, in whatever order the shards come."""
        least = 1 + self._pools
        if self.samples < least:
            out = self.length - self.samples
            why = f": the countermeasures leave out {out} of {self.length}" if out else ""
            raise SourceError(f"expected at least {least} usable samples to train on, got {self.samples}{why}")

    @property
    def _pools(self) -> int:
        return math.ceil(len(self._shards) / _POOL_SHARDS)

    @property
    def steps_per_epoch(self) -> int:
        """Pools are cut into even batches (see `batches`); the last pool counts as one of the average size."""
        return self._pools * math.ceil(self.length / self._pools / self._config.batch_size)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images float32 [B, 3, S, S] in about 0..1 and token rows [B, T] of all samples, one caption of each.

        Where some are left out, of as many samples as make the steps of an epoch.
        """
        draw = generator(self._seed, "victim", epoch)
        order = [self._shards[i] for i in torch.randperm(len(self._shards), generator=draw)]
        pools = [order[first : first + _POOL_SHARDS] for first in range(0, len(order), _POOL_SHARDS)]
        steps = sum(_steps(sum(self._lengths[name] for name in pool), self._config.batch_size) for pool in pools)
        over_and_over = chain.from_iterable(self._pool_batches(pool, epoch, draw) for pool in cycle(pools))
        yield from islice(over_and_over, steps)

    def _load(self, name: str) -> LoadedShard:
        shard = self._cache.load(name)
        return shard.first(self._last) if self._last is not None and name == self._shards[-1] else shard

    def _pool_batches(self, names: Sequence[str], epoch: int, draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        pool = [self._applied.in_epoch(self._load(name), epoch) for name in names]
        samples = [(shard, i) for shard in pool for i in range(len(shard.samples))]
        captions = caption_rows(pool, self._config, self._tokenizer)
        for places in batches(len(samples), self._config.batch_size, draw):
            if len(places) < 2:
                continue  # a single pair has no negative: no loss, no step
            batch = PixelBatch([shard.pixels(i) for shard, i in (samples[p] for p in places)], None, self._device)
            views = batch.draw_views(self._views, self._side, draw)
            yield batch.look(views), captions.draw(places, draw).to(self._device)


def _steps(samples: int, batch_size: int) -> int:
    """How many of the even pieces that `batches` cuts so many samples into hold more than one."""
    pieces = math.ceil(samples / batch_size)
    return pieces if samples >= 2 * pieces else samples - pieces


def caption_rows(pool: Sequence[LoadedShard], config: VictimConfig, tokenizer: Tokenizer) -> CaptionTokens:
    """The captions as published, or (`trigger-ids`, the paper) the recorded ids put before the clean text.

    The latter is what the paper's victim sees even where the ids do not survive as text. Samples without recorded ids
    (`vocabulary: words`, or never protected) are read as text: words that survive have the same ids either way.
    """
    samples = [sample for shard in pool for sample in shard.samples]
    if config.captions == "text":
        return CaptionTokens([sample.captions for sample in samples], tokenizer.encode)
    triggers = [sample.metadata.get("memshield", {}) for sample in samples]
    bare = [
        tuple(
            caption.removeprefix(made.get("trigger", "") + " ") if made.get("trigger") else caption
            for caption in s.captions
        )
        for s, made in zip(samples, triggers, strict=True)
    ]
    rows = [
        with_trigger(
            tokenizer.encode(own), torch.tensor([made.get("trigger_ids", [])] * len(own)).long(), tokenizer.end_id
        )
        for own, made in zip(bare, triggers, strict=True)
    ]
    joined = torch.cat(rows) if rows else tokenizer.encode([])
    return CaptionTokens(bare, lambda _: joined)
