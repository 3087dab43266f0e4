"""What a victim trains on: batches of images and captions, epoch by epoch, from shards and countermeasures."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mem_core.config import NoiseConfig, RuntimeConfig, VictimConfig
from mem_core.countermeasures.applied import Applied
from mem_core.data.folder import Folder
from mem_core.data.loaded import LoadedShard, ShardCache, batches
from mem_core.data.manifest import list_shards
from mem_core.errors import SourceError
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.perturb.pixels import PixelBatch
from mem_core.rng import generator
from mem_core.victim.captions import caption_rows

_POOL_SHARDS = 8  # shards that batches are mixed from; bounds memory, and part of what makes equal bytes


class PairStream:
    """The pairs of a corpus as a model of this input size and context length takes them.

    samples: how many usable ones there are, 0 until `count` has told. clean: the clean corpus, for the countermeasures
    that take something from it. Of a corpus larger than `config.samples` the same pairs are used whatever the seed.
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
        self.samples = 0
        self._config, self._seed, self._device = config, seed, device
        self._side, self._tokenizer = model.image_size, tokenizer_for(model)
        self._shards = list_shards(corpus)
        self._last: int | None = None  # samples taken from the last shard, None for all
        self._applied = Applied(config.countermeasures, clean, seed)
        cache_bytes = runtime.cache_mb * 2**20
        self._cache = ShardCache(
            corpus, max_pixels=2**40, max_bytes=cache_bytes, allow_empty=True, prepare=self._applied.before
        )
        self._views = NoiseConfig(views=config.views, crop_scale=config.crop_scale)

    def count(self) -> None:
        """Counts the usable samples, once. Raises `SourceError` if there are too few to contrast."""
        if self.samples:
            return
        limit = self._config.samples
        if limit is not None:
            draw = generator(0, "victim samples")
            self._shards = [self._shards[i] for i in torch.randperm(len(self._shards), generator=draw)]
        for place, name in enumerate(self._shards, start=1):
            found = len(self._cache.load(name).samples)
            if limit is not None and self.samples + found >= limit:
                self._shards, self._last = self._shards[:place], limit - self.samples
                self.samples = limit
                break
            self.samples += found
        if self.samples < 2:
            raise SourceError(f"expected at least 2 usable samples to train on, got {self.samples}")

    @property
    def steps_per_epoch(self) -> int:
        """Pools are cut into even batches (see `batches`); the last pool counts as one of the average size."""
        pools = math.ceil(len(self._shards) / _POOL_SHARDS)
        return pools * math.ceil(self.samples / pools / self._config.batch_size)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images float32 [B, 3, S, S] in about 0..1 and token rows [B, T] of all samples, one caption of each."""
        draw = generator(self._seed, "victim", epoch)
        order = [self._shards[i] for i in torch.randperm(len(self._shards), generator=draw)]
        for first in range(0, len(order), _POOL_SHARDS):
            pool = [self._applied.in_epoch(self._load(name), epoch) for name in order[first : first + _POOL_SHARDS]]
            yield from self._pool_batches(pool, draw)

    def _load(self, name: str) -> LoadedShard:
        shard = self._cache.load(name)
        return shard.first(self._last) if self._last is not None and name == self._shards[-1] else shard

    def _pool_batches(self, pool: Sequence[LoadedShard], draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        samples = [(shard, i) for shard in pool for i in range(len(shard.samples))]
        captions = caption_rows(pool, self._config, self._tokenizer)
        for places in batches(len(samples), self._config.batch_size, draw):
            if len(places) < 2:
                continue  # a single pair has no negative: no loss, no step
            batch = PixelBatch([shard.pixels(i) for shard, i in (samples[p] for p in places)], None, self._device)
            views = batch.draw_views(self._views, self._side, draw)
            yield batch.look(views), captions.draw(places, draw).to(self._device)
