"""The test that may be looked at after every batch: betting on the coins, one after the other, at fair odds.

Whoever bets on fair coins has a fortune that is a martingale; by Ville's inequality it grows beyond 1/p with a
probability of at most p, at whatever moment one looks. So one over the largest fortune so far is a p-value at any stop
(Shafer 2021; Ramdas et al. 2023). It pays for that freedom: on the same pairs the fixed test says more.

A bet on a pair is a share of the fortune, put on the draw that the model prefers: `share * weight ** power`. The
fortune is the mean over a grid of both, fixed in advance. The weight of a pair is the rank of its |a| among those
before it, so it depends on no coin and on no later pair.
"""

from bisect import bisect_left, bisect_right, insort

import numpy as np
from numpy.typing import NDArray

from mem_core.audit.evidence.sign_flip import signs

_SHARES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.9)
_POWERS = (0, 1, 2)


def running_weights(preferences: NDArray[np.float64]) -> NDArray[np.float64]:
    """float [N] -> float [N] in 0..1: the middle rank of each |a| among itself and those before it, as a share."""
    seen: list[float] = []
    found = []
    for size in np.abs(preferences).tolist():
        insort(seen, size)
        found.append((bisect_left(seen, size) + 1 + bisect_right(seen, size)) / 2 / len(seen))
    return np.array(found, dtype=np.float64)


def log_fortune(preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The natural logarithm of the fortune after each pair, float [N], in the order of the pairs."""
    won, weights = signs(preferences, coins), running_weights(preferences)
    each = [np.log1p(share * weights**power * won).cumsum() for share in _SHARES for power in _POWERS]
    return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(each)))
