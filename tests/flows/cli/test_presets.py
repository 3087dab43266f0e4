"""Presets and what overrides make of them."""

from pathlib import Path

import pytest

from flows.cli.options import address
from flows.cli.presets import load_preset, preset_names, preset_text
from mem_core.common.errors import ConfigError


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_is_valid_and_says_what_it_is(name: str) -> None:
    assert load_preset(name).name == name
    assert preset_text(name).startswith("# ")


def test_the_presets_that_the_documents_name_are_there() -> None:
    assert {"smoke", "demo", "cpu", "flickr8k", "paper-flickr8k"} <= set(preset_names())


def test_the_paper_s_preset_keeps_the_paper_s_defaults() -> None:
    config = load_preset("paper-flickr8k")
    assert (config.protect.rounds, config.protect.noise.num_steps, config.protect.trigger.scoring) == (20, 8, "batch")
    assert config.corpus.one_sample_per == "pair"


def test_overrides_reach_any_depth_and_win_over_the_preset() -> None:
    config = load_preset("smoke", ["protect.noise.epsilon=4/255", "rows=[clean, em]", "victim_seeds=[1, 2]"], seed=7)
    assert config.protect.noise.epsilon_levels == 4
    assert (config.rows, config.victim_seeds, config.seed) == (("clean", "em"), (1, 2), 7)


def test_other_words_are_for_the_rows_that_take_them() -> None:
    config = load_preset("cpu", ["protect.method=em", "protect.trigger.kind=random"])
    kinds = {row.name: row.protect_config(config.protect).trigger.kind for row in config.table}
    assert kinds["em"] == kinds["mem"] == "random"
    assert {kinds[name] for name in ("clean", "constant-trigger", "noise-only")} == {"method"}


def test_a_mistake_between_settings_does_not_repeat_all_of_them() -> None:
    with pytest.raises(ConfigError, match=r"crop_scale must go from small to large, got \(0.9, 0.5\)$"):
        load_preset("cpu", ["protect.noise.crop_scale=[0.9, 0.5]"])


def test_a_preset_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nprotect: {rounds: 3}\n")
    assert load_preset(str(file)).protect.rounds == 3


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("protect.nois.epsilon=1/255", "protect.nois is not a setting; did you mean protect.noise.epsilon?"),
        ("protect.noise.epsilom=1/255", "did you mean protect.noise.epsilon?"),
        ("zzz=1", "zzz is not a setting; there are name, seed"),
        ("epsilon=4/255", "epsilon is not a setting; did you mean protect.noise.epsilon?"),
        ("noise.epsilon=4/255", "did you mean protect.noise.epsilon?"),
        ("protect.epsilon=4/255", "did you mean protect.noise.epsilon?"),
        ("image_key=img", "did you mean corpus.image_key?"),
        ("epochs=3", "did you mean victim.epochs or victim.finetune.epochs?"),
        ("protect.noise.epsilon=0", "whole number of 1/255 levels between 1/255 and 64/255"),
        ("protect.noise.epsilon=300/255", "between 1/255 and 64/255"),
        ("protect.noise.epsilon=many", "a number or a fraction like 8/255, got 'many'"),
        ("rows=[1]", "rows.0: expected a method out of clean, mem"),
        ("victim_seeds=[-1]", "victim_seeds.0: Input should be greater than or equal to 0"),
        ("victim_seeds=[9999999999]", "victim_seeds.0: Input should be less than 2147483648"),
        ("protect.trigger.constant_word=' '", "constant_word: expected a word, got ' '"),
        ("evaluate.prefix_word=' '", "prefix_word: expected a word, got ' '"),
        ("runtime.device=cuda:99999999999999999999", "runtime.device: String should match"),
        ("runtime.devices=['cuda:1000']", "runtime.devices.0: String should match"),
        ("protect.method=magic", "protect.method"),
        ("rows=[]", "rows"),
        ("no equals sign", "expected --set name.of.setting=value"),
        ("protect..rounds=1", "expected --set name.of.setting=value"),
        ("protect.rounds={", "expected a YAML value"),
        ("protect=3", "protect"),
    ],
)
def test_mistakes_are_named(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_preset("smoke", [override])
    assert sentence in str(caught.value)
    assert "preset smoke" not in str(caught.value)
    assert "literal[" not in str(caught.value)
    assert str(caught.value).count("got 'many'") <= 1


def test_a_preset_is_named_where_it_is_wrong_itself(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("protect: {noise: {epsilon: 1/255}}")
    step = "protect.noise.step_size=1/255"
    wrong = f"preset {file}: protect.noise.step_size 0.00784314 is larger than protect.noise.epsilon"
    for overrides, begin in (([], wrong), ([step, "protect.method=memm"], "protect.method: expected a method")):
        with pytest.raises(ConfigError) as caught:
            load_preset(str(file), overrides)
        assert str(caught.value).startswith(begin)


@pytest.mark.parametrize(
    "data",
    [b"- a list", b"{", b"just text", b"0", b"\xff\xfe", b"a: \0", b"seed: 2026-13-45", b"[" * 5000, b"#" * (2 << 20)],
    ids=["list", "cut", "text", "number", "not UTF-8", "NUL", "no date", "nested", "huge"],
)
def test_files_that_are_no_settings_are_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=r"bad\.yaml") as caught:
        load_preset(str(file))
    assert "\n" not in str(caught.value)


def test_the_home_of_nobody_is_named() -> None:
    for named in (preset_text, address):
        with pytest.raises(ConfigError, match="the home folder that ~nosuchuser/mine.yaml begins with is not known"):
            named("~nosuchuser/mine.yaml")


def test_unknown_presets_are_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="expected a preset out of .*smoke"):
        load_preset("smok")


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("protect.method=men", "mem"),
        ("protect.strategy=rond", "rounds"),
        ("corpus.protected=acept", "accept"),
        ("epsilon=4/255", "protect.noise.epsilon"),
    ],
)
def test_what_is_misspelt_is_told_what_was_meant(override: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"did you mean {meant}\?$"):
        load_preset("smoke", [override])
    with pytest.raises(ConfigError, match=r"did you mean smoke\?$"):
        load_preset("smok")
