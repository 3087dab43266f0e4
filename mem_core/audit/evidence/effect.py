"""How much a model prefers what was published, beside the p-value that says whether it does."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from mem_core.audit.evidence.sign_flip import signs
from mem_core.common.rng import derived_seed
from mem_core.config import Frozen

_DRAWS = 2000


class Effect(Frozen):
    """right: coins that the model's preference guesses; of: those it has a preference for. share: right / of, with its
    95 % Clopper-Pearson interval. difference: the mean preference for the published draw, in units of the
    preferences' root mean square, with its 95 % bootstrap interval over pairs.
    """

    right: int
    of: int
    share: float
    share_low: float
    share_high: float
    difference: float
    difference_low: float
    difference_high: float


def effect_of(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> Effect:
    """float [N] preferences of draw 1, 0 or 1 [N] published draws -> the effect. Equal input, equal result."""
    won = signs(preferences, coins)
    right, of = int((won > 0).sum()), int((won != 0).sum())
    low, high = binomtest(right, of).proportion_ci() if of else (0.0, 1.0)
    towards = np.asarray(np.abs(preferences) * won, dtype=np.float64)
    draw = np.random.default_rng(derived_seed(0, "effect", len(towards)))
    means = [_standardised(towards[draw.integers(len(towards), size=len(towards))]) for _ in range(_DRAWS)]
    lowest, highest = np.percentile(means, (2.5, 97.5))
    return Effect(
        right=right,
        of=of,
        share=right / of if of else 0.5,
        share_low=float(low),
        share_high=float(high),
        difference=_standardised(towards),
        difference_low=float(lowest),
        difference_high=float(highest),
    )


def _standardised(towards: NDArray[np.float64]) -> float:
    """Their mean in units of their root mean square: in -1..1, 0 where nothing is preferred."""
    size = float(np.sqrt((towards**2).mean()))
    return float(towards.mean()) / size if size else 0.0
