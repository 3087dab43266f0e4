"""What a victim retrieves, with a median rank at a known share of chance, and bootstrap draws around it."""

import numpy as np

from mem_core.victim.metrics import DIRECTIONS, RetrievalResult, summarise_ranks


def measured(share: float, chance: RetrievalResult, seed: int = 0, other: float | None = None) -> RetrievalResult:
    """Ranks spread evenly by a quarter around the share; other: the share in the direction text to image."""
    images = chance.image_to_text.queries
    results = {}
    for direction, of in zip(DIRECTIONS, (share, share if other is None else other), strict=True):
        level = chance.direction(direction)
        owners = np.arange(level.queries) * images // level.queries
        middle, draw = of * level.median_rank, np.random.default_rng([seed, level.queries])
        ranks = np.maximum(1, draw.permutation(np.linspace(0.75 * middle, 1.25 * middle, level.queries)))
        results[direction] = summarise_ranks(ranks, level.items, owners)
    return RetrievalResult.model_validate(results)
