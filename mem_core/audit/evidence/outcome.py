"""From preferences and coins to a p-value, by what was committed to and nothing else."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mem_core.audit.evidence.effect import Effect, effect_of
from mem_core.audit.evidence.scores import STATISTICS, Score, Statistic
from mem_core.audit.evidence.sequential import log_fortune
from mem_core.audit.evidence.sign_flip import LOWEST, sign_flip
from mem_core.common.errors import SourceError
from mem_core.config import Frozen

FEWEST_TWINS = 20
"""Below it even coins that are all guessed say little: with 20 the lowest p-value is a millionth."""

PerScore = Mapping[Score, NDArray[np.float64]]
"""Score -> the preference of each pair, in the committed order."""


class EvidencePlan(Frozen):
    """What is settled beforehand. alpha: the p-value from which on there is evidence. sequential: coins may be looked
    at after every block of pairs, and no further pair is scored once the bound is reached."""

    statistic: Statistic = "words-and-noise"
    alpha: float = Field(0.001, gt=0, lt=0.5)
    sequential: bool = False

    @property
    def scores(self) -> tuple[Score, ...]:
        return STATISTICS[self.statistic]


class ScoreOutcome(Frozen):
    """One score by itself. p: its own, not corrected for the others. agreed, expected, deviation: the weights of the
    coins guessed right, and what fair coins give."""

    score: Score
    p: float
    agreed: int
    expected: float
    deviation: float
    effect: Effect


class EvidenceOutcome(Frozen):
    """p: of the committed statistic, in [1e-100, 1]. reached: after how many pairs a sequential test reached its bound,
    None where it did not or is none."""

    p: float
    evidence: bool
    pairs: int
    reached: int | None = None
    parts: tuple[ScoreOutcome, ...]

    @property
    def strongest(self) -> ScoreOutcome:
        """The score that says most."""
        return min(self.parts, key=lambda part: part.p)


def require_enough(pairs: int) -> None:
    """Raises `SourceError` for fewer pairs than a test takes."""
    if pairs < FEWEST_TWINS:
        raise SourceError(
            f"expected at least {FEWEST_TWINS} twin pairs to test with, got {pairs}: with fewer, coins that all fall "
            "one way say too little; protect more samples, or a larger share of them, with --twins"
        )


def outcome_of(plan: EvidencePlan, preferences: PerScore, coins: NDArray[np.int64]) -> EvidenceOutcome:
    """The committed test on preferences of draw 1 and published draws (0 or 1 [N]). Equal input, equal outcome.

    Several scores share the level: the fixed test takes the lowest p-value times their number, the sequential one
    splits its stake among them. Raises `SourceError` for fewer than 20 pairs.
    """
    require_enough(len(coins))
    parts = tuple(_part(score, preferences[score], coins) for score in plan.scores)
    p_values = running_p(plan, preferences, coins) if plan.sequential else np.array([_shared([one.p for one in parts])])
    below = np.flatnonzero(p_values <= plan.alpha)
    return EvidenceOutcome(
        p=float(p_values[-1]),
        evidence=len(below) > 0,
        pairs=len(coins),
        reached=int(below[0]) + 1 if plan.sequential and len(below) else None,
        parts=parts,
    )


def running_p(plan: EvidencePlan, preferences: PerScore, coins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The p-value of the committed statistic: after each pair, float64 [N], of a sequential test, else float64 [1]."""
    require_enough(len(coins))
    scores = [preferences[score] for score in plan.scores]
    if plan.sequential:
        return sequential_p(scores, coins)
    return np.array([_shared([sign_flip(one, coins).p for one in scores])])


def _shared(p_values: Sequence[float]) -> float:
    """The lowest of several p-values, times their number (Bonferroni)."""
    return min(1.0, len(p_values) * min(p_values))


def sequential_p(preferences: Sequence[NDArray[np.float64]], coins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The p-value after each pair, float64 [N], never rising: it holds at whatever pair one stops."""
    fortunes = [log_fortune(one, coins) for one in preferences]
    together = np.logaddexp.reduce(fortunes, axis=0) - np.log(len(fortunes))
    return np.asarray(np.maximum(LOWEST, np.exp(-np.maximum(np.maximum.accumulate(together), 0))))


def p_text(p: float) -> str:
    """`p = 0.031`, `p = 2.4e-07`, `p below 1e-100`."""
    return f"p below {LOWEST:.0e}" if p <= LOWEST else f"p = {p:.2g}"


def _part(score: Score, preferences: NDArray[np.float64], coins: NDArray[np.int64]) -> ScoreOutcome:
    return ScoreOutcome(score=score, effect=effect_of(preferences, coins), **sign_flip(preferences, coins)._asdict())
