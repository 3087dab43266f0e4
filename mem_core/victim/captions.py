"""The captions that a victim reads, as token rows."""

from collections.abc import Sequence

import torch

from mem_core.data.shard_cache import LoadedShard
from mem_core.models import Tokenizer
from mem_core.models.token_rows import CaptionTokens, with_trigger
from mem_core.victim.config import VictimConfig


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
