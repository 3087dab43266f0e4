"""The table of methods: what follows from a row, how names are checked and listed, and that no other file names one."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import flows
import mem_core
import tasks
from mem_core.common.errors import ConfigError
from mem_core.config import ProtectConfig, parse_config
from mem_core.config.methods import CLEAN, MEM, METHODS, Kind, without_noise
from mem_core.experiments.config import RunConfig

MADE_UP = replace(METHODS["random-noise"], name="made-up")
ALLOWED = (
    "mem_core/config/methods.py",
    "mem_core/experiments/reproduce/rows.py",
    "mem_core/experiments/reproduce/paper/",
)


def named(**wanted: object) -> set[str]:
    """The names of the rows whose fields or properties have these values."""
    return {row.name for row in METHODS.values() if all(getattr(row, name) == value for name, value in wanted.items())}


def test_what_is_published_follows_from_the_ingredients() -> None:
    assert named(adds_noise=False) == {"clean", "random-trigger", "constant-trigger", "trigger-only"}
    wordless = {"clean", "uap", "random-noise", "noise-only"}
    assert named(adds_trigger=False, chooses_trigger=False) == wordless
    assert named(adds_trigger=False) == {*wordless, "em"}


def test_what_goes_together_follows_from_the_row() -> None:
    assert named(chooses_trigger=True) == {"mem", "em", "codebook", "mark"}
    replacing = {row.name for row in METHODS.values() if row.places_words("replace")}
    assert replacing == {"codebook", "mark", "random-trigger", "constant-trigger"}
    for placement in ("end", "inside"):
        assert {n for n, row in METHODS.items() if not row.places_words(placement)} == {"clean", "uap", "random-noise"}
    assert named(family="mem") == {"mem", "noise-only", "trigger-only"}


def test_a_surrogate_is_trained_only_where_something_is_optimised() -> None:
    assert named(needs_surrogate=True) == {"mem", "em", "uap", "noise-only", "trigger-only"}
    assert named(needs_protector=True) - named(needs_surrogate=True) == {"codebook"}


def test_rows_can_be_told_apart_by_readers() -> None:
    for field in ("label", "about", "colour"):
        assert len({getattr(row, field) for row in METHODS.values()}) == len(METHODS)
    assert [name for name, row in METHODS.items() if row.name == name] == list(METHODS)
    assert {row.kind for row in METHODS.values()} == set(get_args(Kind))
    assert named(kind="clean") == {CLEAN}
    assert all(row.isolates for row in METHODS.values() if row.kind == "control")


def test_controls_of_mem_are_made_as_mem() -> None:
    mem = METHODS[MEM]
    for control in (METHODS["noise-only"], METHODS["trigger-only"]):
        made = (control.noise, control.trigger, control.shuffles_captions)
        assert made == (mem.noise, mem.trigger, mem.shuffles_captions)
        assert control.publishes_noise != control.publishes_trigger


def test_what_noise_adds_is_seen_beside_the_same_without_it() -> None:
    found = {name: without_noise(name) for name in METHODS}
    untold = {"codebook"}  # its noise and its words: over clean pairs both would count
    assert {name for name, row in found.items() if row is None} == named(adds_noise=False) | untold
    assert {name: row for name, row in found.items() if row not in (None, CLEAN)} == {
        "mem": "trigger-only",
        "mark": "random-trigger",
    }


def test_the_config_may_ask_for_other_words_than_the_methods() -> None:
    def trigger_of(method: str, kind: str) -> str:
        return ProtectConfig.model_validate({"method": method, "trigger": {"kind": kind}}).recipe.trigger

    assert [trigger_of("em", kind) for kind in ("method", "none", "random")] == ["none", "none", "random"]
    assert [trigger_of("mem", kind) for kind in ("method", "none", "random")] == ["optimised", "none", "random"]


def test_forms_offer_the_methods_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.utilities.callables import parameter_schema

    from flows.pipeline import pipeline
    from flows.protect import protect

    def offered() -> Iterator[list[str]]:
        definitions = [parameter_schema(flow.fn).definitions for flow in (protect, pipeline)]
        yield from (found["ProtectConfig"]["properties"]["method"]["enum"] for found in definitions)
        yield definitions[1]["RowConfig"]["properties"]["method"]["enum"]
        yield definitions[1]["RunConfig"]["properties"]["rows"]["items"]["anyOf"][0]["enum"]

    assert list(offered()) == [list(METHODS)] * 4
    monkeypatch.setitem(METHODS, MADE_UP.name, MADE_UP)
    assert list(offered()) == [[*METHODS]] * 4
    assert "made-up" in METHODS


@pytest.mark.parametrize(
    ("rows", "mistakes"),
    [
        (["clean", "meem"], ["rows.1: expected a method out of {all}, got 'meem'"]),
        ([{"name": "a", "method": "meem"}], ["rows.0.method: expected a method out of {all}, got 'meem'"]),
        ([{"name": "A", "metod": MEM}], ["rows.0.name: ", "rows.0.method: ", "rows.0.metod: is not a setting"]),
        ([["clean"], 7], ["rows.0: expected a method out of {all}, got ['clean']", "rows.1: expected a method"]),
    ],
)
def test_a_mistake_in_a_row_is_told_once(rows: list[object], mistakes: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(RunConfig, {"rows": rows}, "here")
    told = str(caught.value).removeprefix("here: ").split("; ")
    assert len(told) == len(mistakes)
    for line, mistake in zip(told, mistakes, strict=True):
        assert line.startswith(mistake.format(all=", ".join(METHODS)))


def test_a_name_is_stored_as_it_is() -> None:
    assert ProtectConfig().model_dump()["method"] == "mem"
    assert RunConfig().model_dump()["rows"] == ("clean", "mem")


def test_no_other_module_names_a_method() -> None:
    """The rows of the paper's tables are named where they are listed; ingredients and statuses share some names."""
    shared = {value for field in ("noise", "trigger") for row in METHODS.values() for value in [getattr(row, field)]}
    names = set(METHODS) - {CLEAN} - shared
    found = []
    for package in (mem_core, tasks, flows):
        root = Path(package.__path__[0])
        for file in sorted(root.rglob("*.py")):
            place = f"{package.__name__}/{file.relative_to(root).as_posix()}"
            if not place.startswith(ALLOWED):
                found += [f"{place}:{node.lineno}: {text}" for node, text in _constants(file) if text in names]
                found += [f"{place}:{node.lineno}" for node in _comparisons(file)]
    assert found == []


def _constants(file: Path) -> Iterator[tuple[ast.Constant, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value


def _comparisons(file: Path) -> Iterator[ast.Compare]:
    """Where something called method is compared with a name that is spelled out."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = any(isinstance(side, ast.Attribute | ast.Name) and _last(side).endswith("method") for side in sides)
            named = [part.value for side in sides for part in ast.walk(side) if isinstance(part, ast.Constant)]
            if asked and any(name in METHODS for name in named if isinstance(name, str)):
                yield node


def _last(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id
