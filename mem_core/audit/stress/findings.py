"""From cells to the rows of the table: how near chance level a victim stays under each attack, the worst case first.

A share is a median rank over that of chance level, in the worse direction for the protector; 1.0 means that the victim
retrieves at chance level. What is left of the protection is how far the protected victim is on the way from the clean
one beside it to chance level:

    left = (share - clean share) / (1 - clean share)

Without a clean victim under the same attack a blur, which makes any model retrieve worse, would look like protection.
An attack that mixes clean pairs in is compared with a victim of only those pairs (see `Attack`): there nothing left
means that the protected pairs did no harm beside them.
"""

from collections.abc import Sequence

from mem_core.audit.stress.attacks import AS_PUBLISHED, Attack
from mem_core.audit.stress.cells import StressResult
from mem_core.config import Frozen
from mem_core.report.verdict import too_weak
from mem_core.victim.metrics import DIRECTIONS, RetrievalResult, Spread, summarise


class Shares(Frozen):
    """Median ranks as shares of chance, in the worse direction, over seeds. worst: of the weaker query, by seed."""

    bare: Spread
    prefixed: Spread
    worst: Spread


class StressRow(Frozen):
    """One attack. clean: the victims of only clean pairs that belong to it, or to the attack named by control.

    left: None where there is no clean victim, or it is too weak under this attack, by the rule of the report.
    """

    name: str
    label: str
    control: str
    seeds: int
    protected: Shares
    clean: Shares | None
    left: float | None


class StressFindings(Frozen):
    """The table. rows: by the share of the protected victim at its weaker query, the lowest first."""

    chance: RetrievalResult
    rows: tuple[StressRow, ...]

    @property
    def worst(self) -> StressRow:
        """The attack after which a trainer has most, out of those that can be judged if there are any."""
        return next((row for row in self.rows if row.left is not None), self.rows[0])

    @property
    def published(self) -> StressRow | None:
        """What there is without any attack."""
        return next((row for row in self.rows if row.name == AS_PUBLISHED), None)


def judge_attacks(attacks: Sequence[Attack], results: Sequence[StressResult]) -> StressFindings:
    """Rows for the attacks with a protected victim among the results. Raises ValueError if there is none."""
    rows = []
    for attack in attacks:
        protected = _shares(results, attack.name, "protected")
        clean = _shares(results, attack.control or attack.name, "clean")
        if protected is not None:
            rows.append(
                StressRow(
                    name=attack.name,
                    label=attack.label,
                    control=attack.control or attack.name,
                    seeds=protected.worst.n,
                    protected=protected,
                    clean=clean,
                    left=None if clean is None else remaining_protection(protected.worst.mean, clean.worst.mean),
                )
            )
    if not rows:
        raise ValueError("expected at least one measured attack, got none")
    rows.sort(key=lambda row: (row.protected.worst.mean, row.name))
    return StressFindings(chance=results[0].evaluation.chance, rows=tuple(rows))


def remaining_protection(protected: float, clean: float) -> float | None:
    """0.0: no worse than the clean victim; 1.0: at chance level. None if the clean victim is too weak."""
    return None if too_weak(clean) else min(1.0, max(0.0, (protected - clean) / (1 - clean)))


def share_of_chance(found: RetrievalResult, chance: RetrievalResult) -> float:
    """The lower one of both directions."""
    return min(found.direction(d).median_rank / chance.direction(d).median_rank for d in DIRECTIONS)


def _shares(results: Sequence[StressResult], attack: str, trained_on: str) -> Shares | None:
    found = [r.evaluation for r in results if r.cell.attack.name == attack and r.cell.trained_on == trained_on]
    if not found:
        return None
    bare = [share_of_chance(one.bare, one.chance) for one in found]
    prefixed = [share_of_chance(one.prefixed, one.chance) for one in found]
    worst = [min(pair) for pair in zip(bare, prefixed, strict=True)]
    return Shares(bare=summarise(bare), prefixed=summarise(prefixed), worst=summarise(worst))
