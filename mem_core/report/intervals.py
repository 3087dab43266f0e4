"""Numbers with intervals: a share of chance, a difference, what is left of a protection, each with its 95 % interval.

The number that stands for a training set is its *share of chance*: the median rank of its victims over that of chance
level, at the query (plain or prefixed) and in the direction that are worst for protection; the mean over victims, where
there are several. At 100 % a victim retrieves no better than chance.

The interval comes from the bootstrap draws of the test images (`mem_core/victim/metrics.py`): the 2.5th and 97.5th
percentile of the number computed anew in each draw. What is made of several numbers is computed draw by draw, so that
test images that are hard for all models cancel out. Where a training set has several victims, draw b takes the ranks of
victim b modulo their number. So the interval covers seeds, too: it says where the number lies for one victim and one
set of test images, and is at least as wide as that of a mean over seeds would be. With a single victim it covers the
test images only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mem_core.config import Frozen
from mem_core.victim.metrics import DIRECTIONS, Direction, DirectionResult, RetrievalResult

_TAILS = (2.5, 97.5)

Query = Literal["bare", "prefixed"]
QUERIES: tuple[Query, Query] = ("bare", "prefixed")
Draws = NDArray[np.float64]


class Estimate(Frozen):
    """A number and its 95 % interval; low and high are None where there are no bootstrap draws."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def differs(self) -> bool | None:
        """Whether zero lies outside of the interval, None where there is none."""
        return None if self.low is None or self.high is None else self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Sampled:
    """A number, and the same number in every bootstrap draw, float64 [B] (None: there are no draws)."""

    value: float
    draws: Draws | None

    def estimate(self) -> Estimate:
        """With its interval, which always holds the number itself."""
        if self.draws is None or not np.isfinite(self.draws).all():
            return Estimate(value=self.value)
        low, high = (float(end) for end in np.percentile(self.draws, _TAILS))
        return Estimate(value=self.value, low=min(low, self.value), high=max(high, self.value))


def combined(function: Callable[..., float | Draws], *parts: Sampled) -> Sampled:
    """A function of numbers, and of their draws one by one. It has to work on arrays, too."""
    draws = [part.draws for part in parts if part.draws is not None]
    paired = len(draws) == len(parts) and len({len(each) for each in draws}) == 1
    together = np.asarray(function(*draws)) if paired else None
    return Sampled(float(function(*(part.value for part in parts))), together)


@dataclass(frozen=True)
class AtEpoch:
    """What the victims of one training set retrieve at one epoch, an entry a seed; no entries: not asked."""

    bare: tuple[RetrievalResult, ...]
    prefixed: tuple[RetrievalResult, ...]

    def asked(self) -> list[Query]:
        return [query for query in QUERIES if getattr(self, query)]

    def median(self, direction: Direction, query: Query) -> Sampled:
        """The mean over victims."""
        return _of_all([_median(result.direction(direction)) for result in getattr(self, query)])

    def share(self, chance: RetrievalResult, queries: Sequence[Query] = QUERIES) -> Sampled | None:
        """The lowest share of chance over directions and these queries, victim by victim, then the mean over victims;
        None where none of the queries was asked."""
        asked = [getattr(self, query) for query in queries if query in self.asked()]
        return _of_all([_lowest(results, chance) for results in zip(*asked, strict=False)]) if asked else None


def _median(result: DirectionResult) -> Sampled:
    draws = np.array(result.median_rank_draws, dtype=np.float64)
    return Sampled(result.median_rank, draws if draws.size else None)


def _lowest(results: Sequence[RetrievalResult], chance: RetrievalResult) -> Sampled:
    """The lowest share of chance of one victim, over directions and the queries that it was asked."""
    levels = {direction: chance.direction(direction).median_rank for direction in DIRECTIONS}
    parts = [
        combined(partial(np.multiply, 1 / levels[direction]), _median(result.direction(direction)))
        for direction in DIRECTIONS
        for result in results
    ]
    return combined(lambda *shares: np.min(shares, axis=0), *parts)


def _of_all(victims: Sequence[Sampled]) -> Sampled:
    """The mean over victims; draw b is that of victim b modulo their number."""
    value = float(np.mean([victim.value for victim in victims]))
    draws = [victim.draws for victim in victims if victim.draws is not None]
    if len(draws) < len(victims) or len({len(each) for each in draws}) > 1:
        return Sampled(value, None)
    places = np.arange(len(draws[0]))
    return Sampled(value, np.array(draws)[places % len(draws), places])


def percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def with_interval(share: Estimate) -> str:
    """`73 % (69 to 77)`."""
    if share.low is None or share.high is None:
        return percent(share.value)
    return f"{percent(share.value)} ({100 * share.low:.0f} to {100 * share.high:.0f})"
