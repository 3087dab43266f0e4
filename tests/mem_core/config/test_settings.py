"""Settings: bounded, closed, and with a sentence for every mistake."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mem_core.common.errors import ConfigError
from mem_core.config import (
    CENTRE,
    NoiseConfig,
    ProtectConfig,
    RuntimeConfig,
    TriggerConfig,
    ViewConfig,
    fingerprint,
    merge,
    parse_config,
)
from mem_core.experiments.config import RunConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig


@given(st.integers(1, 64))
def test_whole_levels_are_taken_as_fraction_and_as_float(count: int) -> None:
    for value in (f"{count}/255", f" {count} / 255", count / 255):
        config = parse_config(NoiseConfig, {"epsilon": value, "step_size": "1/255"}, "here")
        assert config.epsilon_levels == count


@pytest.mark.parametrize(
    "value", [0, 300, "0/255", "65/255", "-8/255", "8/0", "a", "", "1e999", 8, True, 0.5 / 255, "nan", "inf", None, []]
)
def test_other_budgets_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="preset x: noise.epsilon: "):
        parse_config(ProtectConfig, {"noise": {"epsilon": value}}, "preset x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e400])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    for model, name in ((NoiseConfig, "epsilon"), (VictimConfig, "learning_rate"), (ProtectConfig, "loss_threshold")):
        with pytest.raises(ConfigError, match=name):
            parse_config(model, {name: value}, "here")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rounds": 0}, "rounds: .*greater than or equal to 1"),
        ({"nose": {}}, "nose: is not a setting"),
        ({"noise": {"epsillon": "8/255"}}, "noise.epsillon: is not a setting"),
        (
            {"noise": {"epsilon": "2/255", "step_size": "4/255"}},
            "protect.noise.step_size .* is larger than protect.noise.epsilon .*: set protect.noise.step_size as well",
        ),
        ({"noise": {"crop_scale": (0.9, 0.5)}}, "from small to large"),
        ({"method": "men"}, "method: .* clean, mem, .*, got 'men'"),
        ({"trigger": {"length": 0}}, "trigger.length"),
        (
            {"trigger": {"placement": "replace"}},
            "placement replace goes with codebook, mark, random-trigger, .*, got mem",
        ),
        (
            {"method": "uap", "trigger": {"placement": "end"}},
            "placement end goes with mem, em, codebook, mark, random-trigger, .*, got uap",
        ),
        ({"trigger": {"placement": "middle"}}, "trigger.placement: .*'front', 'end', 'inside' or 'replace'"),
        ({"trigger": {"source": "captions"}}, "source captions goes with a codebook's topic words, got mem"),
        (
            {"method": "codebook", "trigger": {"source": "captions", "kind": "random"}},
            "source captions goes with a codebook's topic words, got codebook with protect.trigger.kind random",
        ),
        (
            {"method": "codebook", "trigger": {"placement": "replace", "vocabulary": "all"}},
            "placement replace needs protect.trigger.vocabulary `words`",
        ),
        ({"rounds": 2.5}, "rounds"),
        ({"rounds": 0, "batch_size": 1}, "rounds: .*; batch_size: "),
    ],
)
def test_every_mistake_is_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_config(ProtectConfig, values, "here")


@pytest.mark.parametrize("values", [[], "text", 3, None])
def test_settings_that_are_no_mapping_are_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match="here"):
        parse_config(RunConfig, values, "here")


def test_the_paper_profile_is_a_base_that_single_settings_are_laid_on() -> None:
    paper = ProtectConfig.model_validate({"profile": "paper", "noise": {"num_steps": 3}})
    assert (paper.rounds, paper.noise.num_steps, paper.noise.step_levels) == (20, 3, 1)
    assert (paper.trigger.vocabulary, paper.surrogate.captions, paper.noise.views) == ("all", "matched", "centre")
    assert ProtectConfig.model_validate(paper.model_dump(mode="json")) == paper
    assert ProtectConfig(profile="paper", noise=NoiseConfig(num_steps=3)) == paper


def test_a_younger_setting_at_its_default_changes_no_fingerprint() -> None:
    plain = ProtectConfig().model_dump(mode="json")
    assert not {"captions", "gradient"} & set(plain["trigger"])  # as 0.3.0 wrote it
    own = ProtectConfig.model_validate({"trigger": {"captions": "own"}})
    assert own.model_dump(mode="json")["trigger"]["captions"] == "own"
    assert fingerprint(own) != fingerprint(ProtectConfig())
    assert set(ProtectConfig().model_dump()["trigger"]) == set(TriggerConfig.model_fields)


@pytest.mark.parametrize("profile", ["publishable", "paper"])
@pytest.mark.parametrize("captions", ["own", "shuffled"])
def test_what_is_written_is_read_back_in_either_profile(profile: str, captions: str) -> None:
    config = ProtectConfig.model_validate({"profile": profile, "trigger": {"captions": captions}})
    assert ProtectConfig.model_validate(config.model_dump(mode="json")) == config
    assert ProtectConfig.model_validate_json(config.model_dump_json()) == config


def test_the_papers_profile_searches_triggers_as_the_original_does() -> None:
    """Its code: own captions, one gradient, 16 candidates each tried on the whole batch, in the first five rounds."""
    paper = ProtectConfig(profile="paper").trigger
    assert (paper.rounds, paper.candidates, paper.beam) == (5, 16, 1)
    assert (paper.scoring, paper.captions, paper.gradient, paper.start) == ("batch", "own", "once", "random")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ProtectConfig().rounds = 5  # type: ignore[misc]


leaves = st.integers() | st.text(max_size=3)
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
mappings = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@settings(max_examples=60)
@given(mappings, mappings)
def test_merging_keeps_the_upper_and_loses_nothing_of_the_lower(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = json.dumps([base, over])
    merged = merge(base, over)
    assert json.dumps([base, over]) == before
    assert set(merged) == set(base) | set(over)
    assert merge(merged, over) == merged
    assert merge({}, over) == over
    assert merge(base, {}) == base


def test_fingerprints_tell_settings_apart_and_last() -> None:
    one, other = ProtectConfig(), ProtectConfig(rounds=5)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one, 1) != fingerprint(one, 2)
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint(one) == fingerprint(ProtectConfig.model_validate(one.model_dump(mode="json")))


def test_runs_and_devices() -> None:
    assert parse_config(RunConfig, {}, "here") == RunConfig()
    assert EvaluateConfig().prefix_length == 3
    assert "prefix_placement" not in EvaluateConfig().model_dump(mode="json")  # as 0.3.0 wrote it
    inside = EvaluateConfig().neutral(5, "inside")
    assert EvaluateConfig.model_validate(inside.model_dump(mode="json")) == inside
    assert (inside.prefix_length, inside.prefix_placement) == (5, "inside")
    assert EvaluateConfig().neutral(5, "replace").prefix_placement == "front"
    for values, sentence in (({"rows": []}, "rows"), ({"seed": -1}, "seed"), ({"name": "Not So"}, "name")):
        with pytest.raises(ConfigError, match=sentence):
            parse_config(RunConfig, values, "here")
    with pytest.raises(ConfigError, match="device"):
        parse_config(RuntimeConfig, {"device": "gpu"}, "here")


def test_noise_has_whole_levels_and_a_view() -> None:
    config = NoiseConfig(epsilon=8 / 255, step_size=3 / 255, crop_scale=(0.5, 0.7))
    assert (config.epsilon_levels, config.step_levels) == (8, 3)
    assert config.view == ViewConfig(kind="random-crop", crop_scale=(0.5, 0.7))
    assert NoiseConfig(views="centre").view == CENTRE
    assert set(config.model_dump()) == set(NoiseConfig.model_fields)  # fingerprints hash fields alone
