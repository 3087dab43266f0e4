"""Learning a codebook's topics: which words of a corpus's captions go together."""

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mem_core.common.errors import SourceError
from mem_core.common.rng import generator
from mem_core.models.byte_pairs import BytePairs
from mem_core.models.device import cpu_threads
from mem_core.perturb.codebook import Topics, token_shares

SAMPLES = 10_000  # that topics are learned from at most: bounds memory, and more would not change them much
_WORDS, _TURNS, _STARTS, _DIGITS = 2000, 30, 4, 6


def learn_topics(texts: Sequence[Sequence[str]], count: int, tokenizer: BytePairs, seed: int) -> Topics:
    """`count` topics out of the captions of many images (spherical k-means on words weighted by their rarity).

    A word's share is that of an image's captions which have it; words that all images have weigh nothing. Of some
    starts drawn from the seed the one with the tightest topics is taken. Raises `SourceError` where all are alike.
    """
    shares = [token_shares(captions, tokenizer) for captions in texts]
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
