"""Rows as variants of a run: what they change, and who takes from whom."""

from typing import Any

import pytest

from mem_core.common.errors import ConfigError
from mem_core.config import parse_config
from mem_core.experiments.config import RowConfig, RunConfig, clean_folder, run_order, source_row, time_left


def run(*rows: Any) -> RunConfig:
    return parse_config(RunConfig, {"rows": rows}, "test")


def test_a_method_is_a_row_of_its_name_and_stands_once() -> None:
    table = run("clean", "mem", "clean").table
    assert [(row.name, row.method) for row in table] == [("clean", "clean"), ("mem", "mem")]


def test_a_row_changes_only_what_it_names() -> None:
    config = run({"name": "mem-5", "method": "mem", "protect": {"trigger": {"length": 5}}, "victim": {"epochs": 2}})
    (row,) = config.table
    changed = row.protect_config(config.protect)
    assert (changed.method, changed.trigger.length) == ("mem", 5)
    assert changed.noise == config.protect.noise
    assert row.victim_config(config.victim) == config.victim.model_copy(update={"epochs": 2})


def test_words_stand_elsewhere_only_where_no_surrogate_has_read_them_in_front() -> None:
    words = {"placement": "replace", "source": "captions"}
    config = parse_config(
        RunConfig,
        {"rows": ["mem", "codebook"], "protect": {"method": "codebook", "trigger": words}},
        "test",
    )
    mem, codebook = (row.protect_config(config.protect).trigger for row in config.table)
    assert (mem.placement, mem.source) == ("front", "vocabulary")
    assert (codebook.placement, codebook.source) == ("replace", "captions")


def test_words_stand_at_the_end_in_every_row_that_has_some() -> None:
    rows = ["clean", "mem", "uap", "random-trigger"]
    config = parse_config(RunConfig, {"rows": rows, "protect": {"trigger": {"placement": "end"}}}, "test")
    found = [row.protect_config(config.protect).trigger.placement for row in config.table]
    assert found == ["front", "end", "front", "end"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"name": "a", "method": "mem", "protect": {"rouns": 3}}], "row a: rouns: is not a setting"),
        ([{"name": "a", "method": "mem", "victim": {"epochs": -1}}], "row a: epochs"),
        ([{"name": "a", "method": "mem"}, {"name": "a", "method": "em"}], "a name of its own for each row, got a, a"),
        ([{"name": "A b", "method": "mem"}], "name"),
    ],
)
def test_a_mistake_in_a_row_is_named(rows: list[Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run(*rows)


def test_noise_and_trigger_come_from_the_mem_row_with_the_same_settings() -> None:
    five = {"protect": {"trigger": {"length": 5}}}
    config = run(
        "noise-only",
        {"name": "words-5", "method": "trigger-only", **five},
        "mem",
        {"name": "mem-5", "method": "mem"} | five,
    )
    table = config.table
    sources = {row.name: source_row(row, table, config.protect) for row in table}
    assert {name: source and source.name for name, source in sources.items()} == {
        "noise-only": "mem",
        "words-5": "mem-5",
        "mem": None,
        "mem-5": None,
    }
    assert [row.name for row in run_order(table, config.protect)] == ["mem", "mem-5", "noise-only", "words-5"]


def test_a_row_on_another_corpus_takes_from_nobody_on_this_one() -> None:
    config = run("mem", {"name": "pair", "method": "noise-only", "corpus": "pair"})
    assert source_row(config.table[1], config.table, config.protect) is None


def test_a_corpus_of_another_kind_has_a_folder_of_its_own() -> None:
    config = run("mem")
    assert [clean_folder(kind, config) for kind in (None, "image", "pair")] == ["clean", "clean", "clean-pair"]


def test_rows_survive_json() -> None:
    config = run("clean", RowConfig(name="em-half", method="em", protect={"surrogate": {"steps_per_round": 6}}))
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_the_time_left_is_that_of_rows_like_those_before() -> None:
    config = run("clean", "random-trigger", "mem", "trigger-only")
    rows = run_order(config.table, config.protect)
    assert [row.name for row in rows] == ["clean", "random-trigger", "mem", "trigger-only"]
    assert time_left(rows, 0, 1.0, config.protect, 1) == 0.0
    assert time_left(rows, 2, 60.0, config.protect, 1) == 90.0  # mem fits as well: as long as another victim
    assert time_left(rows, 3, 120.0, config.protect, 1) == 30.0
