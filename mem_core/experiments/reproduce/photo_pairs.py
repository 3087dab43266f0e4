"""Photographs with all pairs made of them, as a victim reads them: to see whether they stay together.

In a corpus with a sample for each pair those of a photograph lie anywhere, and each has noise of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.common.rng import generator
from mem_core.common.storage.folder import Folder
from mem_core.config import ViewConfig
from mem_core.data.corpus import list_shards
from mem_core.data.images import decode_image
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.models.image_batch import PixelBatch
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.base import Pair
from mem_core.victim.stream import caption_tokens

_CAPTIONS = 5  # of a photograph in the paper's datasets
_MAX_PIXELS = 2**40
_VIEW = ViewConfig(kind="random-crop")  # the figure's "identical but transformed": copies of one clean image


def whole_photos(corpus: Folder, count: int) -> list[list[str]]:
    """The keys of all samples of `count` photographs: of the first that have five captions, or of those with the most.

    No more shards are read than that takes, and no image is decoded.
    """
    keys: dict[str, list[str]] = {}
    captions: dict[str, int] = {}
    for shard in list_shards(corpus):
        for sample in _samples(corpus, shard):
            photo = str(sample.metadata.get("name") or sample.key)
            keys.setdefault(photo, []).append(sample.key)
            captions[photo] = captions.get(photo, 0) + len(sample.captions)
        if sum(number >= _CAPTIONS for number in captions.values()) >= count:
            break
    best = sorted(captions, key=lambda photo: min(captions[photo], _CAPTIONS), reverse=True)  # stable: first ones first
    return [keys[photo] for photo in best[:count]]


def pairs_of(corpus: Folder, photos: Sequence[Sequence[str]]) -> list[list[Pair]]:
    """The pairs of each photograph, one a caption; samples that could not be protected are not among them."""
    wanted = {key for keys in photos for key in keys}
    found: dict[str, list[Pair]] = {}
    for shard in list_shards(corpus):
        if any(key.startswith(shard) for key in wanted):
            for sample in _samples(corpus, shard, wanted.__contains__):
                pixels = decode_image(sample.image, max_pixels=_MAX_PIXELS).pixels
                found[sample.key] = [
                    Pair(sample.key, pixels, (caption,), sample.metadata) for caption in sample.captions
                ]
    return [[pair for key in keys for pair in found.get(key, [])] for keys in photos]


def _samples(corpus: Folder, shard: str, wanted: Callable[[str], bool] = lambda key: True) -> Iterator[Sample]:
    with open_tar(corpus, shard) as stream:
        for found in read_shard(stream, f"{shard} in {corpus.uri}"):
            if isinstance(found, Sample) and wanted(found.key):
                yield found


@dataclass(frozen=True)
class PhotoFeatures:
    """photos: which photograph a pair is of, int64 [N]; images, texts: float32 [N, D], unit rows."""

    photos: Tensor
    images: Tensor
    texts: Tensor


def features_of_photos(
    model: OpenClipEncoder, config: VictimConfig, photos: Sequence[Sequence[Pair]], seed: int
) -> PhotoFeatures:
    """What a victim trained as `config` says makes of pairs: its crop of each image, drawn for each pair."""
    pairs = [pair for own in photos for pair in own]
    draw = generator(seed, "photo views")
    batch = PixelBatch([torch.from_numpy(p.pixels).permute(2, 0, 1) for p in pairs], None, torch.device("cpu"))
    with torch.no_grad():
        images = model.encode_image(batch.look(batch.draw_views(_VIEW, model.image_size, draw)))
        texts = model.encode_text(caption_tokens(pairs, config, tokenizer_for(model), draw))
    of = torch.tensor([number for number, own in enumerate(photos) for _ in own])
    return PhotoFeatures(of, images, texts)
