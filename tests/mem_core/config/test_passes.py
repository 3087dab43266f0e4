"""Surrogate steps as a number, or as passes over the corpus within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError
from mem_core.config import ProtectConfig, SurrogateConfig, merge, parse_config
from mem_core.config.passes import PassesConfig


@given(st.integers(0, 10**7), st.integers(2, 1024), st.integers(1, 500), st.integers(0, 500))
def test_the_bounds_hold_and_between_them_every_sample_is_seen_so_often(
    samples: int, batch: int, least: int, more: int
) -> None:
    rule = PassesConfig(passes=2, least=least, most=least + more)
    steps = rule.steps(samples, batch)
    assert least <= steps <= least + more
    if least < steps < least + more:
        assert (steps - 1) * batch < 2 * samples <= steps * batch


def test_a_number_is_that_many_steps_whatever_the_corpus() -> None:
    assert {SurrogateConfig(steps_per_round=7).steps(samples) for samples in (0, 150, 10**9)} == {7}


def test_a_number_that_someone_sets_takes_the_place_of_the_passes() -> None:
    preset = {"surrogate": {"steps_per_round": {"passes": 2, "least": 10, "most": 50}}}
    changed = parse_config(ProtectConfig, merge(preset, {"surrogate": {"steps_per_round": 200}}), "--set")
    assert changed.surrogate.steps_per_round == 200
    finer = parse_config(ProtectConfig, merge(preset, {"surrogate": {"steps_per_round": {"passes": 3}}}), "--set")
    assert finer.surrogate.steps(640) == 15


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (-1, "surrogate.steps_per_round: Input should be greater than or equal to 0"),
        ({"passes": 0}, "surrogate.steps_per_round.passes: Input should be greater than 0"),
        ({"least": 9, "most": 5}, "surrogate.steps_per_round: expected `least` to be at most `most`, got 9 and 5"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_setting(wrong: object, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(ProtectConfig, {"surrogate": {"steps_per_round": wrong}}, "preset")
    assert str(refused.value).startswith(f"preset: {told}")
    assert ";" not in str(refused.value)
