"""The exact test against brute force, and what makes its p-value one: no innocent model is below it too often."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from mem_core.audit.evidence.effect import effect_of
from mem_core.audit.evidence.outcome import EvidencePlan, outcome_of, p_text, running_p, sequential_p
from mem_core.audit.evidence.sequential import log_fortune, running_weights
from mem_core.audit.evidence.sign_flip import LOWEST, sign_flip, upper_tail, weights_of
from mem_core.common.errors import SourceError

SMALL = st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=9)


@given(SMALL, st.data())
def test_the_p_value_is_the_share_of_all_coins_that_agree_as_well(values: list[float], data: st.DataObject) -> None:
    preferences = np.array(values)
    coins = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(values), max_size=len(values))))
    found = sign_flip(preferences, coins)
    weights = weights_of(preferences)

    def agreed(thrown: np.ndarray) -> int:
        return int(sum(w for w, a, c in zip(weights, preferences, thrown, strict=True) if a and (a > 0) == (c == 1)))

    every = [agreed(np.array(thrown)) for thrown in product((0, 1), repeat=len(values))]
    assert found.agreed == agreed(coins)
    assert found.p == pytest.approx(np.mean([one >= found.agreed for one in every]), rel=1e-12)
    assert found.expected == pytest.approx(np.mean(every))
    assert found.deviation == pytest.approx(np.std(every))


def test_far_tails_keep_their_digits_and_end_at_the_lowest() -> None:
    """Equal weights make a binomial, whose tails are known; beyond the last term that is kept stands the lowest p."""
    for count, right in ((50, 50), (300, 260), (2000, 1200)):
        exact = binom.sf(right - 1, count, 0.5)
        assert upper_tail(np.full(count, 7), 7 * right) == pytest.approx(exact, rel=1e-9)
    assert upper_tail(np.full(6000, 100), 100 * 6000) == LOWEST
    assert (upper_tail(np.full(30, 100), 0), upper_tail(np.zeros(0, dtype=np.int64), 0)) == (1.0, 1.0)
    assert (p_text(LOWEST), p_text(0.0312)) == ("p below 1e-100", "p = 0.031")


def test_many_pairs_agree_with_random_coins() -> None:
    draw = np.random.default_rng(0)
    preferences = draw.standard_t(2, size=200)
    coins = (draw.random(200) < 0.57).astype(int) ^ (preferences < 0)
    found = sign_flip(preferences, coins)
    weights = weights_of(preferences)
    thrown = draw.integers(0, 2, (100_000, 200)) @ weights
    share = float((thrown >= found.agreed).mean())
    assert share == pytest.approx(found.p, abs=4 * (found.p / 100_000) ** 0.5)


def test_equal_and_missing_preferences() -> None:
    assert weights_of(np.array([0.0, 2.0, -2.0, 5.0])).tolist() == [0, 62, 62, 100]
    assert sign_flip(np.zeros(30), np.ones(30, dtype=np.int64)).p == 1.0
    assert effect_of(np.zeros(30), np.ones(30, dtype=np.int64)).share == 0.5


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("statistic", ["words", "words-and-noise"])
def test_no_innocent_model_is_below_a_level_too_often(sequential: bool, statistic: str) -> None:
    """2,000 innocent models, each with preferences of a law of its own, some of them the same for all coins: the share
    below each level is at most the level, but for what 2,000 draws can be off by."""
    draw, count = np.random.default_rng(1), 2000
    plan = EvidencePlan.model_validate({"statistic": statistic, "sequential": sequential})
    values = []
    for number in range(count):
        size, laws = 20 + number % 60, (draw.normal, draw.standard_cauchy, draw.exponential)
        made = laws[number % 3](size=(2, size))  # an exponential model prefers every draw 1
        coins = draw.integers(0, 2, size)
        values.append(float(running_p(plan, {"words": made[0], "noise": made[1]}, coins)[-1]))
    for level in (0.001, 0.01, 0.05, 0.2):
        assert sum(value <= level for value in values) <= binom.ppf(1 - 1e-6, count, level)
    if not sequential and statistic == "words":  # and it is not lower either: the test wastes nothing
        for level in (0.05, 0.2, 0.5, 0.8):
            assert sum(value <= level for value in values) >= binom.ppf(1e-6, count, 0.97 * level)


def test_a_fortune_is_fair_whatever_the_preferences_are() -> None:
    """Its mean over all coins is one: so it is a martingale, and one over its maximum a p-value."""
    preferences = np.array([0.3, -2.0, 0.0, 1.0, -0.1, 0.7])
    every = [np.exp(log_fortune(preferences, np.array(coins))) for coins in product((0, 1), repeat=6)]
    assert np.mean(every, axis=0) == pytest.approx(np.ones(6))
    assert running_weights(np.array([1.0, -3.0, 2.0, 2.0])).tolist() == [1.0, 1.0, pytest.approx(2 / 3), 0.625]


def test_power_and_what_a_look_at_every_pair_costs() -> None:
    """Both find what is there; on all pairs together the fixed test says more."""
    draw = np.random.default_rng(2)
    fixed, looked = [], []
    for _ in range(20):
        coins = draw.integers(0, 2, 300)
        preferences = (draw.normal(size=300) + 0.5) * (2 * coins - 1)
        fixed.append(sign_flip(preferences, coins).p)
        looked.append(sequential_p([preferences], coins)[-1])
    assert np.median(fixed) < 1e-12
    assert np.median(fixed) < np.median(looked) < 1e-9


def test_an_effect_has_intervals() -> None:
    draw = np.random.default_rng(3)
    coins = draw.integers(0, 2, 500)
    preferences = np.where(draw.random(500) < 0.8, 1, -1) * (2 * coins - 1) * draw.random(500)
    found = effect_of(preferences, coins)
    assert found.share_low < 0.8 < found.share_high
    assert (found.of, found.difference_low < found.difference < found.difference_high) == (500, True)
    assert found == effect_of(preferences, coins)


def test_several_scores_share_the_level() -> None:
    draw = np.random.default_rng(4)
    coins = draw.integers(0, 2, 40)
    strong, none = (2.0 * coins - 1) * (1 + draw.random(40)), draw.normal(size=40)
    found = outcome_of(EvidencePlan(), {"words": none, "noise": strong}, coins)
    assert (found.strongest.score, found.p) == ("noise", 2 * found.strongest.p)
    assert found.evidence
    looked = outcome_of(EvidencePlan(sequential=True), {"words": none, "noise": strong}, coins)
    assert looked.evidence
    assert looked.reached is not None
    assert looked.reached < 40


def test_too_few_pairs_are_no_test() -> None:
    with pytest.raises(SourceError, match="expected at least 20 twin pairs to test with, got 19"):
        outcome_of(EvidencePlan(statistic="words"), {"words": np.ones(19)}, np.ones(19, dtype=np.int64))
