"""Shares are the worst of four median ranks; what is left is measured from the clean victim beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.audit.stress.attacks import AS_PUBLISHED, STOP_EARLY, Attack
from mem_core.audit.stress.cells import StressResult
from mem_core.audit.stress.findings import judge_attacks
from mem_core.victim.countermeasures.clean_pairs import MixClean, Recaption
from tests.support.stress_making import PUBLISHED, RECAPTION, STRIP, result

shares = st.floats(0.1, 1.0)
pairs = st.tuples(shares, shares)
NEAR = 0.02  # of chance: medians of 200 ranks are not exact


def both(attack: Attack, protected: float, clean: float, **more: object) -> list[StressResult]:
    made = [result(attack, side, (s, s), (s, s)) for side, s in (("protected", protected), ("clean", clean))]
    return [one.model_copy(update=more) if one.cell.trained_on == "clean" else one for one in made]


@settings(max_examples=10, deadline=None)
@given(pairs, pairs, pairs, pairs)
def test_a_row_says_the_worst_of_both_directions_and_queries(
    bare: tuple[float, float], prefixed: tuple[float, float], clean: tuple[float, float], other: tuple[float, float]
) -> None:
    cells = [result(PUBLISHED, "protected", bare, prefixed), result(PUBLISHED, "clean", clean, other)]
    (row,) = judge_attacks([PUBLISHED], cells).rows
    assert row.protected.counting.bare.value == pytest.approx(min(bare), abs=NEAR)
    assert row.protected.counting.worst.value == pytest.approx(min(*bare, *prefixed), abs=NEAR)
    assert row.clean is not None
    assert row.clean.counting.worst.value == pytest.approx(min(*clean, *other), abs=NEAR)


@settings(max_examples=20, deadline=None)
@given(shares, st.floats(0.1, 0.65))
def test_left_runs_from_nothing_at_the_clean_victim_to_all_at_chance(protected: float, clean: float) -> None:
    (row,) = judge_attacks([PUBLISHED], both(PUBLISHED, protected, clean)).rows
    assert row.left is not None
    assert row.left.low is not None
    assert row.left.high is not None
    assert 0 <= row.left.low <= row.left.value <= row.left.high <= 1
    assert row.left.value == pytest.approx(np.clip((protected - clean) / (1 - clean), 0, 1), abs=4 * NEAR)


def test_where_clean_victims_nearly_guess_nothing_can_be_said() -> None:
    (row,) = judge_attacks([PUBLISHED], both(PUBLISHED, 0.99, 0.75)).rows
    assert row.left is None
    assert "the clean victim is itself near chance" in row.missing[0]


def test_the_best_epoch_counts_and_the_last_stands_beside_it() -> None:
    cells = [
        result(PUBLISHED, "protected", (0.5, 0.5), (0.9, 0.9), last=1.4),
        result(PUBLISHED, "clean", (0.2,) * 2, (0.2,) * 2),
    ]
    (row,) = judge_attacks([PUBLISHED], cells).rows
    assert row.protected.last.worst.value == pytest.approx(0.7, abs=NEAR)
    assert row.protected.counting.worst.value == pytest.approx(0.5, abs=NEAR)


def test_the_worst_case_comes_first_and_borrowed_controls_are_found() -> None:
    cells = [
        *both(PUBLISHED, 0.7, 0.2),
        result(STRIP, "protected", (0.4, 0.9), (0.5, 0.7)),
        result(RECAPTION, "protected", (0.6, 0.6), (0.6, 0.6)),
    ]
    found = judge_attacks([PUBLISHED, STRIP, RECAPTION], cells)
    assert [row.name for row in found.rows] == ["strip", "recaption", "as-published"]
    strip, recaption, published = found.rows
    assert (strip.clean, strip.left, strip.missing) == (None, None, ("no clean victim was trained beside it",))
    assert recaption.left is not None
    assert recaption.left.value == pytest.approx((0.6 - 0.2) / 0.8, abs=4 * NEAR)
    assert found.judged == [recaption, published]
    assert found.published is published


def test_what_an_attack_does_to_the_pairs_is_no_difference_between_its_victims() -> None:
    recaption = RECAPTION.model_copy(update={"countermeasures": (Recaption(),)})
    ours = result(recaption, "protected", (0.6, 0.6), (0.6, 0.6))
    treated = ours.model_copy(update={"victim": recaption.victim(ours.victim, None)})
    found = judge_attacks([PUBLISHED, recaption], [*both(PUBLISHED, 0.7, 0.2), treated])
    (row,) = (row for row in found.rows if row.name == "recaption")
    assert row.missing == ()


@pytest.mark.parametrize(("shares", "judged"), [((MixClean(protected=0.5),), True), ((), False)])
def test_only_the_clean_victim_of_a_mix_may_have_fewer_pairs(shares: tuple[MixClean, ...], judged: bool) -> None:
    mix = STRIP.model_copy(update={"countermeasures": shares})
    (row,) = judge_attacks([mix], both(mix, 0.7, 0.2, samples=25)).rows
    assert (row.missing == ()) is judged


def test_seeds_are_averaged_and_attacks_without_a_victim_left_out() -> None:
    cells = [result(STRIP, "protected", (s, s), (1, 1), seed) for seed, s in ((0, 0.4), (1, 0.6))]
    (row,) = judge_attacks([PUBLISHED, STRIP], cells).rows
    worst = row.protected.counting.worst
    assert (row.seeds, worst.value) == (2, pytest.approx(0.5, abs=NEAR))
    assert worst.low is not None
    assert worst.high is not None
    assert worst.low < 0.43 < 0.57 < worst.high
    with pytest.raises(ValueError, match="at least one measured attack"):
        judge_attacks([PUBLISHED], cells)


def test_the_best_epoch_of_the_published_victim_is_a_row_that_trains_none() -> None:
    """As published the last epoch counts; kept early, the same victims count at their best one, and so elsewhere."""
    published = Attack(name=AS_PUBLISHED, label="as published", keeps="last")
    early = Attack(name=STOP_EARLY, label="best epoch kept", reads=AS_PUBLISHED)
    results = [
        result(published, "protected", (0.4, 0.4), (0.4, 0.4), last=2.0),
        result(published, "clean", (0.1, 0.1), (0.1, 0.1)),
    ]
    found = {row.name: row for row in judge_attacks([published, early], results).rows}
    assert found[STOP_EARLY].protected.counting.worst.value == pytest.approx(0.4)
    assert found[STOP_EARLY].control == AS_PUBLISHED
    assert found[AS_PUBLISHED].protected.best is None
    assert found[AS_PUBLISHED].protected.counting.bare.value == pytest.approx(0.8)
    assert judge_attacks([published, early], results).published == found[STOP_EARLY]
    without = [
        one.model_copy(update={"evaluation": one.evaluation.model_copy(update={"best": None})}) for one in results
    ]
    assert [row.name for row in judge_attacks([published, early], without).rows] == [AS_PUBLISHED]
