"""Noise without any model: square waves over the whole image, one for each topic of the captions.

Photographs have little power at any one frequency and direction, so a faint wave at the full budget stands out there,
and a convolution reads it before it reads the picture. It is the same wherever a trainer crops.
"""

import math
from collections import Counter
from collections.abc import Sequence

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import normalize

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.rng import generator
from mem_core.config import NoiseConfig
from mem_core.config.base import Frozen
from mem_core.models import Tokenizer
from mem_core.models.device import cpu_threads
from mem_core.models.placement import content_words
from mem_core.perturb.projection import project

_COLOURS = ((1, 1, 1), (1, -1, 1))  # grey, and magenta against green: red, green, blue
_ANGLES = (0, 45, 90, 135)  # degrees
_OCTAVE_PARTS = (1.0, 1.6)  # further waves are so much finer
_FINEST = 0.45  # waves a pixel: from half a wave on, a wave looks like a coarser one, and a whole one like a tint
_STRIP_VALUES = 4_000_000  # of a strip of rows, whatever the size of the image: 16 MB
MOST_TOPICS = len(_COLOURS) * len(_ANGLES) * len(_OCTAVE_PARTS)


def grating(topic: int, phase: float, clean: Tensor, config: NoiseConfig) -> Tensor:
    """The grating for an image of this topic, uint8 [3, H, W]: int8 of its size, at the full budget where 8 bits allow.

    phase: where the wave begins, 0..1 of its length. Lengths are shares of the shorter side: a trainer's resize of the
    whole image changes nothing about them. An image too small for so many waves has as many as fit.
    """
    _, height, width = clean.shape
    finer, rest = divmod(topic, len(_COLOURS) * len(_ANGLES))
    colour, angle = divmod(rest, len(_ANGLES))
    bound = config.epsilon_levels
    signs = torch.tensor(_COLOURS[colour], dtype=torch.int16).view(3, 1, 1)
    pitch = min(_FINEST, config.waves * _OCTAVE_PARTS[finer] / min(height, width))
    down, across = (pitch * turn(math.radians(_ANGLES[angle])) for turn in (math.sin, math.cos))
    columns = torch.arange(width, dtype=torch.float64) * across + phase
    noise = torch.empty_like(clean, dtype=torch.int8)
    for rows in torch.arange(height).split(max(1, _STRIP_VALUES // width)):
        place = (rows[:, None] * down + columns) % 1
        wave = torch.where(place < 0.5, bound, -bound).to(torch.int16)
        noise[:, rows] = project(signs * wave, clean[:, rows], bound)
    return noise


SAMPLES = 10_000  # that topics are learned from at most: bounds memory, and more would not change them much
_WORDS, _TURNS, _STARTS, _DIGITS = 2000, 30, 4, 6


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

    def of(self, captions: Sequence[str], tokenizer: Tokenizer) -> int:
        """The topic that the captions of one image speak for most; the first of those that are level."""
        shares = _shares(captions, tokenizer)
        known = [(self.weights[token], shares[token]) for token in sorted(shares) if token in self.weights]
        scores = [sum(weight[topic] * share for weight, share in known) for topic in range(self.count)]
        return scores.index(max(scores)) if scores else 0


def learn_topics(texts: Sequence[Sequence[str]], count: int, tokenizer: Tokenizer, seed: int) -> Topics:
    """`count` topics out of the captions of many images (spherical k-means on words weighted by their rarity).

    A word's share is that of an image's captions which have it; words that all images have weigh nothing. Of some
    starts drawn from the seed the one with the tightest topics is taken. Raises `SourceError` where all are alike.
    """
    shares = [_shares(captions, tokenizer) for captions in texts]
    found = Counter(token for one in shares for token in one)
    tokens = sorted(token for token, times in found.most_common(_WORDS) if times > 1)
    rarity = torch.tensor([math.log(len(texts) / found[token]) for token in tokens], dtype=torch.float64)
    place = {token: i for i, token in enumerate(tokens)}
    rows = torch.zeros(len(shares), len(tokens), dtype=torch.float64)
    for row, one in zip(rows, shares, strict=True):
        for token in one.keys() & place.keys():
            row[place[token]] = one[token]
    with cpu_threads(1):  # sums split among threads round otherwise
        points = normalize(rows * rarity, dim=1)
        if not tokens or len(points.unique(dim=0)) < 2:
            raise SourceError(f"expected captions that differ, to learn topics from, but {len(texts)} images are alike")
        runs = [_k_means(points, count, generator(seed, "topics", start)) for start in range(_STARTS)]
        centres = max(runs, key=lambda run: run[1])[0] * rarity
    return Topics(
        weights={
            token: tuple(round(value, _DIGITS) for value in weights)
            for token, weights in zip(tokens, centres.T.tolist(), strict=True)
        }
    )


def caption_words(topics: Topics, vocabulary: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Those of the vocabulary's ids int64 [V] that the captions use and that say what is there: int64 [W], ascending.

    A caption in which such a word stands cannot be told by it from any other.
    """
    used = [token for token in vocabulary.tolist() if token in topics.weights]
    return torch.tensor([token for token in used if content_words(tokenizer.decode([token]))], dtype=torch.int64)


def topic_words(vocabulary: Tensor, count: int, length: int, seed: int) -> Tensor:
    """int64 [count, length]: words of its own for each topic, drawn from the vocabulary's ids int64 [V].

    Raises `ConfigError` if the vocabulary has too few for topics that share none.
    """
    if len(vocabulary) < count * length:
        raise ConfigError(
            f"expected a vocabulary of {count * length} words or more for {count} topics of {length} words each, "
            f"got {len(vocabulary)}: name fewer noise.topics, a smaller trigger.length or another trigger.source"
        )
    order = torch.randperm(len(vocabulary), generator=generator(seed, "topic words"))
    return vocabulary[order[: count * length]].view(count, length)


def _k_means(points: Tensor, count: int, draw: torch.Generator) -> tuple[Tensor, float]:
    """Unit centres float64 [count, V] and how near the points [N, V] are to theirs (mean cosine).

    Not scikit-learn's: the centres decide published bytes, which no other version of a library may change.
    """
    centres = points[torch.randint(len(points), (count,), generator=draw)]
    for _ in range(_TURNS):
        owner = (points @ centres.T).argmax(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, owner, points)
        moved = normalize(sums, dim=1)
        centres = torch.where(moved.abs().sum(dim=1, keepdim=True) > 0, moved, centres)
    return centres, (points @ centres.T).amax(dim=1).mean().item()


def _shares(captions: Sequence[str], tokenizer: Tokenizer) -> dict[int, float]:
    """The share of the captions that have each token."""
    counts = Counter(token for caption in captions for token in set(tokenizer.ids(caption)))
    return {token: times / len(captions) for token, times in counts.items()}
