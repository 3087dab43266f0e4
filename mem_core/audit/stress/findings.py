"""From cells to the rows of the table: how near chance level a victim stays under each attack, the worst case first.

A share is a median rank over that of chance level, in the worse direction for the protector, at the epoch that the
trainer keeps; 1.0 means that the victim retrieves at chance level. What is left of the protection is how far the
protected victim is on the way from the clean one beside it to chance level:

    left = (share - clean share) / (1 - clean share)

Without a clean victim under the same attack a blur, which makes any model retrieve worse, would look like protection.
An attack that mixes clean pairs in is compared with a victim of only those pairs (see `Attack`): there nothing left
means that the protected pairs did no harm beside them. Which rows may be judged is for `mem_core/report/claims.py`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mem_core.audit.stress.attacks import AS_PUBLISHED, STOP_EARLY, Attack
from mem_core.audit.stress.cells import StressResult
from mem_core.config import Frozen
from mem_core.report.claims import TOO_WEAK, Victims, how_trained, missing_for, victims_of
from mem_core.report.intervals import QUERIES, AtEpoch, Draws, Estimate, combined
from mem_core.victim.metrics import RetrievalResult

_NEARLY_NOTHING = 1e-9


class EpochShares(Frozen):
    """Median ranks as shares of chance, in the worse direction. worst: of the weaker query, draw by draw."""

    bare: Estimate
    prefixed: Estimate
    worst: Estimate


class Shares(Frozen):
    """The victims of one training set at their last and, where it is known, at their best epoch."""

    last: EpochShares
    best: EpochShares | None

    @property
    def counting(self) -> EpochShares:
        return self.best or self.last


class StressRow(Frozen):
    """One attack. clean: the victims of only clean pairs that belong to it, or to the attack named by control.

    left: None where there is no clean victim, or it is itself near chance. missing: what a claim about the row lacks.
    """

    name: str
    label: str
    control: str
    seeds: int
    protected: Shares
    clean: Shares | None
    left: Estimate | None
    missing: tuple[str, ...]


class StressFindings(Frozen):
    """The table. rows: by the share of the protected victim that counts, the lowest first."""

    chance: RetrievalResult
    rows: tuple[StressRow, ...]

    @property
    def judged(self) -> list[StressRow]:
        """The rows that something may be claimed about."""
        return [row for row in self.rows if not row.missing]

    @property
    def published(self) -> StressRow | None:
        """What there is without any attack, at the best epoch where it is known."""
        named = {row.name: row for row in self.rows}
        return named.get(STOP_EARLY) or named.get(AS_PUBLISHED)


def judge_attacks(attacks: Sequence[Attack], results: Sequence[StressResult]) -> StressFindings:
    """Rows for the attacks with a protected victim among the results. Raises ValueError if there is none."""
    rows = [row for attack in attacks if (row := _row(attack, results)) is not None]
    if not rows:
        raise ValueError("expected at least one measured attack, got none")
    rows.sort(key=lambda row: (row.protected.counting.worst.value, row.name))
    return StressFindings(chance=results[0].evaluation.chance, rows=tuple(rows))


def _row(attack: Attack, results: Sequence[StressResult]) -> StressRow | None:
    control = attack.control or attack.of_victims
    ours = [r for r in results if r.cell.attack.name == attack.of_victims and r.cell.trained_on == "protected"]
    theirs = [r for r in results if r.cell.attack.name == control and r.cell.trained_on == "clean"]
    if not ours:
        return None
    protected, clean = stressed_victims(ours), stressed_victims(theirs) if theirs else None
    if attack.reads and protected.best is None:
        return None
    missing = missing_for_attack(attack, protected, clean)
    if attack.keeps == "last":  # what there is at the best epoch is a row of its own
        protected, clean = replace(protected, best=None), replace(clean, best=None) if clean else None
    return StressRow(
        name=attack.name,
        label=attack.label,
        control=control,
        seeds=len(ours),
        protected=_shares(protected),
        clean=_shares(clean) if clean else None,
        left=protection_left(protected, clean) if clean else None,
        missing=missing,
    )


def stressed_victims(results: Sequence[StressResult]) -> Victims:
    """The victims of one attack. What is done to their pairs is the attack, so it is no difference of settings."""
    trained = [
        how_trained(result.victim.model_copy(update={"countermeasures": ()}), result.samples, result.steps)
        for result in results
    ]
    return victims_of([result.evaluation for result in results], trained)


def missing_for_attack(attack: Attack, protected: Victims, clean: Victims | None) -> tuple[str, ...]:
    """What a claim about an attack lacks. The clean victim beside a mix has only the clean pairs of it."""
    mixes = any(one.control != one for one in attack.countermeasures)
    return missing_for(protected, clean, alike=not mixes)


def protection_left(protected: Victims, clean: Victims) -> Estimate | None:
    """0.0: no worse than the clean victim; 1.0: at chance level. None if the clean victim is too weak to tell."""
    ours, theirs = protected.share, clean.share
    if ours is None or theirs is None or theirs.value >= TOO_WEAK:
        return None
    return combined(_left, ours, theirs).estimate()


def _left(share: Draws, clean: Draws) -> Draws:
    found: Draws = np.clip((share - clean) / np.maximum(1 - np.asarray(clean), _NEARLY_NOTHING), 0.0, 1.0)
    return found


def _shares(victims: Victims) -> Shares:
    last, best = (_at(at, victims.chance) if at else None for at in (victims.last, victims.best))
    assert last is not None  # every evaluation has one
    return Shares(last=last, best=best)


def _at(at: AtEpoch, chance: RetrievalResult) -> EpochShares:
    found = {}
    for name, queries in (("bare", QUERIES[:1]), ("prefixed", QUERIES[1:]), ("worst", QUERIES)):
        share = at.share(chance, queries)
        assert share is not None  # an evaluation has both queries
        found[name] = share.estimate()
    return EpochShares(**found)
