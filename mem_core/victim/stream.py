"""What a victim trains on: batches of images and captions, epoch by epoch, from the shards as published."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mem_core.config import NoiseConfig, RuntimeConfig, VictimConfig
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

    samples: how many usable ones there are, 0 until `count` or a checkpoint has told.
    """

    def __init__(
        self,
        corpus: Folder,
        config: VictimConfig,
        runtime: RuntimeConfig,
        seed: int,
        model: OpenClipEncoder,
        device: torch.device,
    ) -> None:
        self.samples = 0
        self._config, self._seed, self._device = config, seed, device
        self._side, self._tokenizer = model.image_size, tokenizer_for(model)
        self._shards = list_shards(corpus)
        self._cache = ShardCache(corpus, max_pixels=2**40, max_bytes=runtime.cache_mb * 2**20, allow_empty=True)
        self._views = NoiseConfig(views=config.views, crop_scale=config.crop_scale)

    def count(self) -> None:
        """Counts the usable samples, once. Raises `SourceError` if there are too few to contrast."""
        self.samples = self.samples or sum(len(self._cache.load(name).samples) for name in self._shards)
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
            pool = [self._cache.load(name) for name in order[first : first + _POOL_SHARDS]]
            yield from self._pool_batches(pool, draw)

    def _pool_batches(self, pool: Sequence[LoadedShard], draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        samples = [(shard, i) for shard in pool for i in range(len(shard.samples))]
        captions = caption_rows(pool, self._config, self._tokenizer)
        for places in batches(len(samples), self._config.batch_size, draw):
            if len(places) < 2:
                continue  # a single pair has no negative: no loss, no step
            batch = PixelBatch([shard.pixels(i) for shard, i in (samples[p] for p in places)], None, self._device)
            views = batch.draw_views(self._views, self._side, draw)
            yield batch.look(views), captions.draw(places, draw).to(self._device)
