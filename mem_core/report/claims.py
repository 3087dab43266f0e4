"""What may be claimed, and how surely: the one rule of every table, verdict, page, certificate and command.

The number that stands for a training set is its *share of chance*: the median rank of its victims over that of chance
level, at the query (plain or prefixed) and in the direction that are worst for protection, with the weights of the
epoch that a trainer keeps (`best`). At 100 % a victim retrieves no better than chance.

Every such number comes with an interval from the bootstrap draws of the test images (`mem_core/victim/metrics.py`): the
2.5th and 97.5th percentile of the number computed anew in each draw. What is made of several numbers (a difference,
what is left of a protection) is computed draw by draw, so that test images that are hard for all models cancel out.
Where a training set has several victims, draw b takes the ranks of victim b modulo their number. So the interval covers
seeds, too: it says where the number lies for one victim and one set of test images, and is at least as wide as that of
a mean over seeds would be. With a single victim it covers the test images only.

A claim takes all that `missing_for` asks for. What lacks something is shown and claimed nothing about.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mem_core.common.formatting import counted
from mem_core.config import Frozen
from mem_core.victim.evaluation import Evaluation
from mem_core.victim.metrics import DIRECTIONS, Direction, RetrievalResult

FEWEST_IMAGES = 200
TOO_WEAK = 0.7  # a clean victim this near to chance cannot show what protection takes away
_SAME = 0.01  # samples that could not be protected may be missing from one of two corpora
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


def _over(number: Sampled, level: float) -> Sampled:
    return Sampled(number.value / level, None if number.draws is None else number.draws / level)


@dataclass(frozen=True)
class AtEpoch:
    """What the victims of one training set retrieve at one epoch, an entry a seed; no entries: not asked."""

    bare: tuple[RetrievalResult, ...]
    prefixed: tuple[RetrievalResult, ...]

    def asked(self) -> list[Query]:
        return [query for query in QUERIES if getattr(self, query)]

    def median(self, direction: Direction, query: Query) -> Sampled:
        """The mean over seeds; draw b is that of victim b modulo their number."""
        results = [result.direction(direction) for result in getattr(self, query)]
        value = float(np.mean([result.median_rank for result in results]))
        lengths = {len(result.median_rank_draws) for result in results}
        if len(lengths) > 1 or 0 in lengths:
            return Sampled(value, None)
        of_all = np.array([result.median_rank_draws for result in results], dtype=np.float64)
        places = np.arange(of_all.shape[1])
        return Sampled(value, of_all[places % len(results), places])

    def share(self, chance: RetrievalResult, queries: Sequence[Query] = QUERIES) -> Sampled | None:
        """The lowest share of chance over directions and these queries, None where none of them was asked."""
        levels = {direction: chance.direction(direction).median_rank for direction in DIRECTIONS}
        asked = [(direction, query) for direction in DIRECTIONS for query in queries if query in self.asked()]
        parts = [_over(self.median(direction, query), levels[direction]) for direction, query in asked]
        return combined(lambda *shares: np.min(shares, axis=0), *parts) if parts else None


class Trained(Frozen):
    """How one victim was trained. settings: a fingerprint of those that have to be equal; pairs: image or pair, what
    the corpus has a sample for; "" where it is not known."""

    samples: int
    steps: int
    settings: str = ""
    pairs: str = ""


@dataclass(frozen=True)
class Victims:
    """The victims of one training set. best: None unless each of them was queried at its best epoch, too."""

    chance: RetrievalResult
    last: AtEpoch
    best: AtEpoch | None = None
    trained: tuple[Trained, ...] = ()

    @property
    def counting(self) -> AtEpoch:
        """What a trainer has: the best epoch, and the last one where no best is known."""
        return self.best or self.last

    @property
    def share(self) -> Sampled | None:
        """The share of chance that counts."""
        return self.counting.share(self.chance)


def victims_of(evaluations: Sequence[Evaluation], trained: Sequence[Trained] = ()) -> Victims:
    """The victims behind some evaluations, one or more."""
    best = [one.best for one in evaluations if one.best is not None]
    return Victims(
        chance=evaluations[0].chance,
        last=AtEpoch(tuple(one.bare for one in evaluations), tuple(one.prefixed for one in evaluations)),
        best=AtEpoch(tuple(one.bare for one in best), tuple(one.prefixed for one in best))
        if len(best) == len(evaluations)
        else None,
        trained=tuple(trained),
    )


def missing_for(protected: Victims, clean: Victims | None, *, alike: bool = True) -> tuple[str, ...]:
    """What a claim about protection lacks, a clause each; nothing: it may be made.

    clean: the victims of clean pairs beside them. alike: whether those have to be trained on as many pairs; a clean
    victim that a trainer has in place of a mix is trained on the clean part of it.
    """
    lacks = [*_lacks_of_test(protected, "victim")]
    if clean is None or clean.share is None:
        return (*lacks, "no clean victim was trained beside it")
    lacks += [lack for lack in _lacks_of_test(clean, "clean victim") if lack not in lacks]
    ours, theirs = (one.chance.image_to_text for one in (protected, clean))
    if (ours.queries, ours.items) != (theirs.queries, theirs.items):
        lacks.append(
            f"the clean victim was queried on other pairs ({theirs.queries:,} images with {theirs.items:,} captions, "
            f"not {ours.queries:,} with {ours.items:,})"
        )
    lacks += _unlike(protected.trained, clean.trained, alike)
    if clean.share.value >= TOO_WEAK:
        lacks.append(f"the clean victim is itself near chance (median rank at {percent(clean.share.value)} of chance)")
    return tuple(lacks)


def _lacks_of_test(victims: Victims, who: str) -> list[str]:
    images, lacks = victims.chance.image_to_text.queries, []
    if images < FEWEST_IMAGES:
        lacks.append(f"there are only {counted(images, 'test image')}, and a claim takes {FEWEST_IMAGES}")
    if victims.share is not None and victims.share.draws is None:
        lacks.append(f"the evaluation of the {who} has no bootstrap draws and so no interval (evaluate it again)")
    if victims.best is None:
        lacks.append(f"the best epoch of the {who} is not known (it was trained without validation pairs)")
    if not victims.last.prefixed:
        lacks.append(f"the {who} was not asked prefixed queries")
    return lacks


def _unlike(ours: Sequence[Trained], theirs: Sequence[Trained], alike: bool) -> list[str]:
    """How the training of clean victims differs from that of protected ones."""
    if not ours or not theirs:
        return ["it is not known how the clean victim was trained"]
    lacks, (one, other) = [], (ours[0], theirs[0])
    if one.pairs != other.pairs:
        lacks.append(f"the clean victim has a sample for each {other.pairs or 'image'}, not for each {one.pairs}")
    if alike and not _as_many(one.samples, other.samples):
        lacks.append(f"the clean victim was trained on {other.samples:,} pairs, not on {one.samples:,}")
    if not _as_many(one.steps, other.steps):
        lacks.append(f"the clean victim was trained for {other.steps:,} steps, not for {one.steps:,}")
    if {each.settings for each in ours} != {each.settings for each in theirs}:
        lacks.append("the clean victim was trained with other settings")
    return lacks


def _as_many(one: int, other: int) -> bool:
    return abs(one - other) <= _SAME * max(one, other)


def no_verdict(missing: Sequence[str]) -> str:
    """The sentence in place of a claim."""
    return f"No verdict: {'; '.join(missing)}."


def can_be_judged(judged: int, tests: int) -> str:
    """How many of the tests may be claimed something about."""
    return f"{judged} of {counted(tests, 'test')} can be judged"


def percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def with_interval(share: Estimate) -> str:
    """`73 % (69 to 77)`."""
    if share.low is None or share.high is None:
        return percent(share.value)
    return f"{percent(share.value)} ({100 * share.low:.0f} to {100 * share.high:.0f})"
