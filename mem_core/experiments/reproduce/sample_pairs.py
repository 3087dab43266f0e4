"""Single pairs out of a study's corpora, as a model sees them: for figures that look at samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.common.storage.folder import Folder
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import read_receipt
from mem_core.data.shard_cache import load_shard
from mem_core.data.table import recorded_triggers
from mem_core.models import OpenClipEncoder
from mem_core.models.image_batch import seen_at_centre

_MAX_PIXELS = 2**40


@dataclass(frozen=True)
class ShownPair:
    """One image, uint8 [3, H, W], with its first caption as published; trigger: the words in front, if any."""

    key: str
    pixels: Tensor
    caption: str
    trigger: str = ""


def shown_pairs(corpus: Folder, count: int, keys: Sequence[str] = ()) -> list[ShownPair]:
    """`count` pairs spread evenly over the first shard of a corpus, or those with the named keys."""
    shard = load_shard(corpus, list_shards(corpus)[0], _MAX_PIXELS)
    samples = shard.samples
    if keys:
        places = [place for key in keys for place, sample in enumerate(samples) if sample.key == key]
    else:
        step = max(1, len(samples) // count)
        places = list(range(step // 2, len(samples), step))[:count]
    receipt = read_receipt(corpus, shard.name)
    triggers = recorded_triggers(corpus, shard.name) if receipt is not None and receipt.trigger_length else {}
    return [
        ShownPair(
            samples[place].key,
            shard.pixels(place),
            samples[place].captions[0],
            triggers.get(samples[place].key, ""),
        )
        for place in places
    ]


def seen_by(model: OpenClipEncoder, pairs: Sequence[ShownPair]) -> Tensor:
    """The images at the size of the model, cut to the centre: float [B, 3, S, S] in 0..1."""
    return seen_at_centre([pair.pixels for pair in pairs], model.image_size, torch.device("cpu"))
