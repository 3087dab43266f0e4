"""Scales, rows and the order of cells, without measuring anything."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig
from mem_core.experiments.reproduce import Study, load_scale, make_plan, scale_names
from mem_core.experiments.reproduce.paper import EXPERIMENTS
from mem_core.experiments.reproduce.rows import study_rows


def study(path: Path, name: str = "smoke", **changes: object) -> Study:
    return Study(LocalFolder(path), load_scale(name, changes))


def test_every_scale_resolves_every_row_and_victim(tmp_path: Path) -> None:
    assert scale_names() == ["cpu", "flickr8k", "paper", "smoke"]
    for name in scale_names():
        at = study(tmp_path, name)
        for row in at.rows.values():
            assert at.protect_config(row).method == row.method
        for role in at.scale.victims:
            at.scale.victim_config(role)


def test_every_experiment_names_known_rows_once() -> None:
    known = study_rows(ProtectConfig())
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(set(names)) == len(names)
    for experiment in EXPERIMENTS:
        assert set(experiment.rows) <= set(known), experiment.name


@given(rounds=st.integers(1, 100), steps=st.integers(8, 5000))
def test_em_as_the_original_ran_it_takes_a_sixteenth_of_the_steps(rounds: int, steps: int) -> None:
    base = ProtectConfig.model_validate({"rounds": rounds, "surrogate": {"steps_per_round": steps}})
    rows = study_rows(base)
    little, equal = (rows[name].protect_config(base) for name in ("em-16x-less", "em"))
    assert (equal.rounds, equal.surrogate.steps_per_round) == (rounds, steps)
    assert little.noise == equal.noise
    sixteenth, spent = rounds * steps / 16, little.rounds * little.surrogate.steps_per_round
    assert abs(spent - sixteenth) <= max(1, little.rounds / 2)
    assert f"({little.rounds} x {little.surrogate.steps_per_round})" in rows["em-16x-less"].label


def test_at_scale_paper_em_is_five_rounds_of_fifty_steps_as_its_authors_ran_it(tmp_path: Path) -> None:
    at = study(tmp_path, "paper")
    row = at.row("em-16x-less")
    config = at.protect_config(row)
    assert (config.rounds, config.surrogate.steps_per_round, config.noise.num_steps) == (5, 50, 8)
    assert row.label == "EM, 1/16 of the steps (5 x 50)"


def test_at_the_papers_scale_fluent_words_are_chosen_as_in_its_code(tmp_path: Path) -> None:
    """Five words proposed for a slot, three of them tried, in every round."""
    at = study(tmp_path, "paper")
    fluent = at.protect_config(at.rows["mem-3-fluent"])
    assert (fluent.trigger.fluent_words, fluent.trigger.candidates) == (5, 3)
    assert fluent.trigger.rounds == fluent.rounds == 20
    assert (fluent.trigger.captions, fluent.trigger.gradient, fluent.trigger.scoring) == ("own", "once", "batch")


def test_rows_come_first_and_seeds_after(tmp_path: Path) -> None:
    cells = make_plan(study(tmp_path, seeds=3)).cells
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert len(set(cells)) == len(cells)
    assert {cell.row for cell in cells if cell.seed == 0} == {cell.row for cell in cells if cell.seed == 2}


def test_a_row_that_changes_nothing_at_a_scale_is_measured_once(tmp_path: Path) -> None:
    at = study(tmp_path)
    assert at.same_as("mem-3-shuffled") == "mem-3"
    assert at.same_as("mem-3-image") == "mem-3"
    assert at.same_as("mem-3-own-captions") == "mem-3-own-captions"
    assert study(tmp_path, "paper").same_as("mem-3-own-captions") == "mem-3"  # there it is what MEM-3 does
    assert at.same_as("mem-3-pair") == "mem-3-pair"
    assert at.same_as("mem-3-matched") == "mem-3-matched"
    assert at.same_as("untrained") == "untrained"
    paper = study(tmp_path, "paper")
    assert paper.same_as("mem-3-matched") == "mem-3"
    assert paper.same_as("mem-3-pair") == "mem-3"


def test_what_noise_adds_is_told_over_a_row_that_differs_in_nothing_else(tmp_path: Path) -> None:
    at, paper = study(tmp_path), study(tmp_path, "paper")
    known = {name: at.without_noise(name) for name in at.rows}
    assert (known["em"], known["em-pair"], known["em-image"]) == ("clean", "clean-pair", "clean")
    assert (known["mem-3"], known["mem-3-fluent"]) == ("trigger-only", "fluent-words")
    assert (known["mem-3-pair"], known["mem-3-image"]) == ("trigger-only-pair", "trigger-only")
    assert (paper.without_noise("mem-3-pair"), paper.without_noise("mem-3-image")) == (
        "trigger-only",
        "trigger-only-image",
    )
    assert (known["mem-3-shuffled"], known["mem-3-matched"], known["mem-5"]) == ("trigger-only", None, None)
    assert known["em-no-crop"] == "clean-no-crop"
    assert (known["codebook"], known["codebook-replace"]) == (None, None)
    assert {known[name] for name in ("clean", "clean-pair", "random-trigger-pair", "trigger-only")} == {None}
    assert (paper.without_noise("em-pair"), paper.without_noise("em-image")) == ("clean", "clean-image")


def test_every_row_of_pairs_has_a_clean_victim_of_the_same_pairs_beside_it(tmp_path: Path) -> None:
    for name in ("smoke", "cpu", "paper"):
        at = study(tmp_path, name)
        for experiment in EXPERIMENTS:
            rows = [at.row(row) for row in experiment.rows]
            for kind in {at.kind(row) for row in rows if row.corpus}:
                assert any(row.is_clean and not row.victim and at.kind(row) == kind for row in rows), experiment.name


def test_a_row_left_out_is_in_no_cell(tmp_path: Path) -> None:
    assert "mem-3-20-rounds" not in {cell.row for cell in make_plan(study(tmp_path)).cells}
    assert "mem-3-20-rounds" in {cell.row for cell in make_plan(study(tmp_path, leave_out=())).cells}


def test_roles_with_the_same_settings_are_trained_once(tmp_path: Path) -> None:
    at = study(tmp_path)
    assert [at.same_victim(role) for role in ("rn50", "competent", "siglip")] == ["main", "main", "siglip"]
    assert {cell.victim for cell in make_plan(at, ["table2"]).cells} == {"main", "siglip"}


def test_what_is_new_in_the_settings_makes_no_result_stale(tmp_path: Path) -> None:
    at = study(tmp_path)
    (cell, *_) = make_plan(at, ["table2"]).cells
    assert at.identity(cell) == study(tmp_path, about="other words").identity(cell)
    assert at.identity(cell) != study(tmp_path, victim={"epochs": 2}).identity(cell)
    assert at.identity(cell) != study(tmp_path, seed=5).identity(cell)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda path: load_scale("huge"), "a scale out of cpu, flickr8k, paper, smoke"),
        (lambda path: load_scale("cpu", {"victims": {"main": {"epochs": -1}}}), "victim main: epochs"),
        (lambda path: load_scale("cpu", {"colour": 1}), "colour: is not a setting"),
        (lambda path: load_scale("cpu", {"victims": {}, "seeds": 0}), "seeds"),
        (lambda path: make_plan(study(path), ["table9"]), "an experiment out of table1"),
        (lambda path: study(path).row("mem-7"), "expected a row out of"),
        (lambda path: study(path).scale.victim_config("rn1000"), "expected a victim out of main"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(call, sentence: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    with pytest.raises(ConfigError, match=sentence):
        call(tmp_path)


def test_a_scale_of_ones_own_and_one_that_is_no_yaml(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: own\nseeds: 2\n")
    assert load_scale(str(own)).seeds == 2
    for data in (b"[1, 2", b"- a list", b"[" * 100_000, b"day: 2024-02-31", b"name: \xff", b"name: own\n" * (1 << 17)):
        own.write_bytes(data)
        with pytest.raises(ConfigError, match=r"own\.yaml"):
            load_scale(str(own))


def test_without_any_dataset_the_plan_says_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Where to get it"):
        make_plan(study(tmp_path, "cpu"))
