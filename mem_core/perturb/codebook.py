"""Noise without any model: square waves over the whole image, one for each topic of the captions.

Photographs have little power at any one frequency and direction, so a faint wave at the full budget stands out there,
and a convolution reads it before it reads the picture. It is the same wherever a trainer crops.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mem_core.common.draws import integers, permutation, uniform
from mem_core.common.errors import ConfigError
from mem_core.config import NoiseConfig, TriggerConfig
from mem_core.config.base import Frozen
from mem_core.data.images import Pixels
from mem_core.models.byte_pairs import BytePairs
from mem_core.models.placement import content_words
from mem_core.perturb.allowed_words import word_id

Noise = NDArray[np.int8]
"""[H, W, 3], whole levels of 1/255: protected minus clean pixels."""

_ODD_CHANNEL = (None, 1)  # grey, and magenta against green: which channel of red, green, blue goes the other way
_ANGLES = (0, 45, 90, 135)  # degrees
_OCTAVE_PARTS = (1.0, 1.6)  # further waves are so much finer
_PITCHES = 3  # that draws take in turn
_FINEST = 0.45  # waves a pixel: from half a wave on, a wave looks like a coarser one, and a whole one like a tint
_STRIP_VALUES = 16_000  # of a strip of rows, whatever the size of the image: they stay in the cache
MOST_TOPICS = len(_ODD_CHANNEL) * len(_ANGLES) * len(_OCTAVE_PARTS)


def grating(topic: int, phase: float, clean: Pixels, config: NoiseConfig, draw: int = 0) -> Noise:
    """The grating for an image of this topic, uint8 [H, W, 3]: int8 of its size, at the full budget where 8 bits allow.

    phase: where the wave begins, 0..1 of its length. Lengths are shares of the shorter side: a trainer's resize of the
    whole image changes nothing about them. An image too small for so many waves has as many as fit. draw: another has
    another length, as a model that averages over the image does not read the phase.
    """
    height, width, channels = clean.shape
    finer, rest = divmod(topic, len(_ODD_CHANNEL) * len(_ANGLES))
    colour, angle = divmod(rest, len(_ANGLES))
    bound = np.uint8(config.epsilon_levels)
    pitch = min(_FINEST, config.waves * _OCTAVE_PARTS[finer] * _pitch_of(draw) / min(height, width))
    down, across = (pitch * turn(math.radians(_ANGLES[angle])) for turn in (math.sin, math.cos))
    columns = np.arange(width) * across + phase
    offsets = np.arange(height, dtype=np.float32) * np.float32(down)  # as the first version rounded them
    offsets = offsets.astype(np.float64)[:, None]
    odd = _ODD_CHANNEL[colour]
    noise = np.empty(clean.shape, dtype=np.int8)
    step = max(1, _STRIP_VALUES // width)
    for rows in (slice(start, start + step) for start in range(0, height, step)):
        place = offsets[rows] + columns
        place -= np.floor(place)
        up, piece, into = place < 0.5, clean[rows], noise[rows].view(np.uint8)
        chosen = np.empty_like(piece)  # all bits where the wave is up, none where it is down
        for channel in range(channels):
            np.negative(up.view(np.uint8) ^ (channel == odd), out=chosen[..., channel])
        np.negative(np.minimum(piece, bound), out=into)
        highest = np.minimum(~piece, bound)  # of 8 bits: 255 - clean
        into ^= (into ^ highest) & chosen
    return noise


def _pitch_of(draw: int) -> float:
    """How much finer the waves of a draw are: none as those of another topic's."""
    return 1 + draw % _PITCHES / 4


def sample_noise(
    topic: int, clean: Pixels, config: NoiseConfig, seed: int, shard: str, key: str, draw: int = 0
) -> Noise:
    """The grating of a topic for one sample, whose key says where the wave begins. seed: the draw's own."""
    return grating(topic, uniform(seed, "phase", shard, key), clean, config, draw)


class Topics(Frozen):
    """weights: token id -> how much a caption with it is about each topic. Tokens that are not there say nothing."""

    weights: dict[int, tuple[float, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _of_one_count(self) -> "Topics":
        counts = {len(weight) for weight in self.weights.values()}
        if len(counts) > 1:
            raise ValueError(f"expected a weight for each topic with every token, got {sorted(counts)} weights")
        return self

    @property
    def count(self) -> int:
        return len(next(iter(self.weights.values()), ()))

    def of(self, captions: Sequence[str], tokenizer: BytePairs) -> int:
        """The topic that the captions of one image speak for most; the first of those that are level."""
        shares = token_shares(captions, tokenizer)
        known = [(self.weights[token], shares[token]) for token in sorted(shares) if token in self.weights]
        scores = [sum(weight[topic] * share for weight, share in known) for topic in range(self.count)]
        return scores.index(max(scores)) if scores else 0


def topic_ids(
    topics: Topics, allowed: Sequence[int], config: TriggerConfig, seed: int, tokenizer: BytePairs, draw: int = 0
) -> list[list[int]]:
    """The ids of each topic's trigger words, drawn from the allowed ids or from those of them that captions use."""
    words = caption_words(topics, allowed, tokenizer) if config.source == "captions" else allowed
    return topic_words(words, topics.count, config.length, seed, draw)


def caption_words(topics: Topics, allowed: Sequence[int], tokenizer: BytePairs) -> list[int]:
    """Those of the allowed ids that the captions use and that say what is there, in their order.

    A caption in which such a word stands cannot be told by it from any other.
    """
    return [token for token in allowed if token in topics.weights and content_words(tokenizer.decode([token]))]


def topic_words(allowed: Sequence[int], count: int, length: int, seed: int, draw: int = 0) -> list[list[int]]:
    """`length` words of its own for each of `count` topics, drawn from the allowed ids.

    Draws share none either. Raises `ConfigError` if there are too few for that.
    """
    before, needed = draw * count * length, (draw + 1) * count * length
    if len(allowed) < needed:
        others = f" in {draw + 1} draws that share none" if draw else ""
        raise ConfigError(
            f"expected a vocabulary of {needed} words or more for {count} topics of {length} words each{others}, "
            f"got {len(allowed)}: set fewer "
            "protect.noise.topics, a smaller protect.trigger.length or another protect.trigger.source"
        )
    drawn = [allowed[place] for place in permutation(len(allowed), seed, "topic words")[before:needed]]
    return [drawn[start : start + length] for start in range(0, count * length, length)]


def plain_ids(
    kind: str, allowed: Sequence[int], config: TriggerConfig, tokenizer: BytePairs, seed: int, shard: str, key: str
) -> list[int]:
    """The ids of one sample's trigger where its captions say nothing about them. kind: a recipe's."""
    if kind == "none":
        return []
    if kind == "constant":
        return [word_id(tokenizer, config.constant_word)] * config.length
    return [allowed[place] for place in integers(len(allowed), config.length, seed, "trigger", shard, key)]


def token_shares(captions: Sequence[str], tokenizer: BytePairs) -> dict[int, float]:
    """The share of the captions that have each token."""
    counts = Counter(token for caption in captions for token in set(tokenizer.ids(caption)))
    return {token: times / len(captions) for token, times in counts.items()}
