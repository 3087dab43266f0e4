"""Shares are the worst of four median ranks; what is left is measured from the clean victim beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.audit.stress.findings import judge_attacks, remaining_protection, share_of_chance
from tests.support.stress_making import CHANCE, PUBLISHED, RECAPTION, STRIP, at, result

shares = st.floats(0.1, 1.0)
pairs = st.tuples(shares, shares)


@given(pairs, pairs, pairs, pairs)
def test_a_row_says_the_worst_of_both_directions_and_queries(
    bare: tuple[float, float], prefixed: tuple[float, float], clean: tuple[float, float], other: tuple[float, float]
) -> None:
    cells = [result(PUBLISHED, "protected", bare, prefixed), result(PUBLISHED, "clean", clean, other)]
    (row,) = judge_attacks([PUBLISHED], cells).rows
    assert row.protected.bare.mean == pytest.approx(min(bare), rel=1e-9)
    assert row.protected.worst.mean == pytest.approx(min(*bare, *prefixed), rel=1e-9)
    assert row.clean is not None
    assert row.clean.worst.mean == pytest.approx(min(*clean, *other), rel=1e-9)


@given(shares, st.floats(0.0, 0.69))
def test_left_runs_from_nothing_at_the_clean_victim_to_all_at_chance(protected: float, clean: float) -> None:
    left = remaining_protection(protected, clean)
    assert left is not None
    assert 0 <= left <= 1
    assert remaining_protection(1.0, clean) == 1
    assert remaining_protection(clean, clean) == 0
    assert left > 0 or protected <= clean


def test_where_clean_victims_nearly_guess_nothing_can_be_said() -> None:
    assert remaining_protection(0.99, 0.7) is None


def test_the_worst_case_comes_first_and_borrowed_controls_are_found() -> None:
    cells = [
        result(PUBLISHED, "protected", (0.8, 0.9), (0.85, 0.7)),
        result(PUBLISHED, "clean", (0.2, 0.3), (0.2, 0.3)),
        result(STRIP, "protected", (0.4, 0.9), (0.5, 0.7)),
        result(RECAPTION, "protected", (0.6, 0.6), (0.6, 0.6)),
    ]
    found = judge_attacks([PUBLISHED, STRIP, RECAPTION], cells)
    assert [row.name for row in found.rows] == ["strip", "recaption", "as-published"]
    strip, recaption, published = found.rows
    assert (strip.clean, strip.left) == (None, None)
    assert recaption.left == pytest.approx((0.6 - 0.2) / 0.8)
    assert found.worst is recaption  # nothing stands beside the other
    assert found.published is published


def test_seeds_are_averaged_and_attacks_without_a_victim_left_out() -> None:
    cells = [result(STRIP, "protected", (s, s), (1, 1), seed) for seed, s in ((0, 0.4), (1, 0.6))]
    (row,) = judge_attacks([PUBLISHED, STRIP], cells).rows
    assert (row.seeds, row.protected.worst.mean) == (2, pytest.approx(0.5))
    assert row.protected.worst.deviation == pytest.approx(0.1414, abs=1e-4)
    with pytest.raises(ValueError, match="at least one measured attack"):
        judge_attacks([PUBLISHED], cells)


def test_chance_is_a_share_of_one() -> None:
    assert share_of_chance(CHANCE, CHANCE) == 1
    assert share_of_chance(at(0.5, 0.25), CHANCE) == pytest.approx(0.25)
