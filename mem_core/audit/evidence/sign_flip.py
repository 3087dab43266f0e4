"""The sign-flip test, exact: how often fair coins would agree with a model's preferences at least as well.

A twin pair has a *preference* a: the score of its draw 1 less that of its draw 0, which no coin has a part in. Its coin
says which draw was published. The statistic is T, the sum of the weights of all pairs whose published draw the model
prefers; weights are ranks of |a| as whole numbers of 0..100, so the distribution of T under fair coins is a
convolution of whole steps, computed term by term: no Monte Carlo, no approximation, no p-value that depends on a seed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

LOWEST = 1e-100
"""A p-value this low is said as "below 1e-100"."""

_HEAVIEST = 100
_NOTHING = 1e-150  # terms of the distribution below it are dropped: together they are far below LOWEST
_BETWEEN = 64  # pairs between two looks for such terms


class SignFlip(NamedTuple):
    """p: one-sided, in [LOWEST, 1]. agreed: T; expected, deviation: of T under fair coins, in the same units."""

    p: float
    agreed: int
    expected: float
    deviation: float


def signs(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> NDArray[np.int64]:
    """float [N], 0 or 1 [N] -> int64 [N]: 1 where the published draw is preferred, -1 the twin, 0 neither."""
    return np.sign(preferences).astype(np.int64) * (2 * coins - 1)


def weights_of(preferences: NDArray[np.float64]) -> NDArray[np.int64]:
    """float [N] -> int64 [N] in 0..100: the rank of each |a|, the largest 100; equal ones share their middle rank.

    A preference of zero weighs nothing.
    """
    ranks = rankdata(np.abs(preferences), method="average")
    weights = np.maximum(1, np.rint(_HEAVIEST * ranks / len(ranks))).astype(np.int64)
    return np.where(preferences == 0, 0, weights)


def sign_flip(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> SignFlip:
    """float [N] preferences of draw 1, 0 or 1 [N] published draws -> whether the published are preferred."""
    weights = weights_of(preferences)
    agreed = int(weights[signs(preferences, coins) > 0].sum())
    return SignFlip(
        p=upper_tail(weights, agreed),
        agreed=agreed,
        expected=float(weights.sum()) / 2,
        deviation=float(np.sqrt((weights.astype(np.float64) ** 2).sum())) / 2,
    )


def upper_tail(weights: NDArray[np.int64], least: int) -> float:
    """The probability that fair coins give a sum of at least `least`: each weight counts or does not, evenly.

    Only positive terms are added, so the relative error stays near N times 1e-16 however far the tail.
    """
    terms, first = np.ones(1), 0  # terms[k]: the probability of the sum first + k
    for number, weight in enumerate(np.sort(weights[weights > 0]), start=1):
        grown = np.zeros(len(terms) + weight)
        grown[: len(terms)] = terms
        grown[weight:] += terms
        terms = grown * 0.5
        if number % _BETWEEN == 0:
            kept = np.flatnonzero(terms > _NOTHING)
            terms, first = terms[kept[0] : kept[-1] + 1], first + int(kept[0])
    beyond = terms[max(0, least - first) :]
    return float(min(1.0, max(LOWEST, beyond[::-1].sum())))
