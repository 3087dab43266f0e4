"""All commands are typed alike, and a mistake is one sentence that names what was meant."""

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from flows.cli.app import app
from flows.cli.grammar import GROUPS
from mem_core import __version__
from tests.support.command_line import Command

_ORDER = ("SOURCE", "CLEAN", "PROTECTED", "VICTIM", "TEST", "CORPUS", "MODEL", "DEST", "FOLDER", "OUT")


def commands(command: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """All commands below one, by what is typed."""
    below = getattr(command, "commands", {})
    found = {} if below else {" ".join(words): command}
    for name, its in below.items():
        found |= commands(its, (*words, name))
    return found


def test_every_command_has_its_group_in_the_help(command: Command) -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(get_command(app).commands)  # type: ignore[attr-defined]
    shown = command("-h").stdout
    places = [shown.index(f" {group} ") for group in GROUPS]
    assert places == sorted(places)
    assert command("--help").stdout == shown


def test_places_come_in_one_order_and_have_names_in_capitals(command: Command) -> None:
    command("-h")
    for words, one in commands(get_command(app)).items():
        shown = command(*words.split(), "-h")
        assert (shown.exit_code, "Usage:" in shown.stdout) == (0, True), (words, shown.output)
        usage = next(line for line in shown.stdout.splitlines() if "Usage:" in line)
        places = [word.strip("[]") for word in usage.split(words)[-1].split() if word != "[OPTIONS]"]
        assert all(place == place.upper() for place in places), usage
        known = [_ORDER.index(place) for place in places if place in _ORDER]
        assert known == sorted(known), usage
        assert "<str>" not in shown.stdout, words
        assert len(places) == sum(parameter.param_type_name == "argument" for parameter in one.params)


def test_options_of_one_name_are_of_one_kind() -> None:
    kinds: dict[str, set[str]] = {}
    for one in commands(get_command(app)).values():
        for parameter in one.params:
            if parameter.param_type_name == "option":
                kinds.setdefault(parameter.opts[0], set()).add(parameter.bare_type())
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {
        "--check": {"bool", "str"},  # of `status`, as monitors call it; elsewhere a finished result to check
        "--only": {"list[str]", "str"},
        "--twins": {"float", "str"},  # the share of `protect` makes what `detect` reads
    }


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").stdout == f"memshield {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("protekt", "no such command 'protekt': did you mean 'protect'?"),
        ("presets shw", "did you mean 'show'?"),
        ("protect a b --metod mem", "protect has no option --metod: did you mean --method?"),
        ("verify", "verify needs CLEAN (usage: memshield verify [OPTIONS] CLEAN [PROTECTED];"),
        ("stress a b c", "stress needs --test"),
        ("protect a", "protect needs PROTECTED"),
        ("protect a b c", "unexpected extra argument"),
        ("nightly a b --ready tarr", "'tarr' is not one of 'tar', 'stats'"),
        ("protect a b --seed x", "expected a whole number for --seed, got 'x'"),
        ("protect a b --preset", "'--preset' requires an argument"),
    ],
)
def test_what_is_typed_wrongly_is_one_sentence_with_exit_code_2(command: Command, typed: str, said: str) -> None:
    result = command(*typed.split())
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("memshield: ")
    assert said in line


@pytest.mark.parametrize("nearly", ["s3:/bucket/x", "S3://bucket/x", "s3:bucket/x", "s3:///bucket/x"])
def test_what_is_nearly_an_address_makes_no_folder(
    command: Command, nearly: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (("protect", nearly, "out"), ("protect", "in", nearly), ("certify", "in", "--out", nearly)):
        result = command(*arguments)
        assert (result.exit_code, "did you mean s3://bucket/x?" in result.stderr) == (1, True), result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("prefect_api")
def test_places_the_wrong_way_round_are_told(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    clean, protected, smoke = clean_corpus / "train", tmp_path / "protected", ("--preset", "smoke", "--no-server")
    made = command("--quiet", "protect", clean, protected, "--method", "random-trigger", *smoke)
    assert made.exit_code == 0, made.output
    assert "loading" not in made.stderr
    victim, test = tmp_path / "victim", clean_corpus / "test"
    trained = command("train", protected, victim, *smoke, "-q")
    assert (trained.exit_code, "loading" in trained.stderr) == (0, False), trained.output
    for arguments in (
        ("protect", protected, clean, *smoke),
        ("nightly", protected, clean, *smoke),
        ("verify", protected, clean, "--no-server"),
        ("preview", protected, clean, "--no-server"),
        ("stress", protected, clean, tmp_path / "out", "--test", test, *smoke),
        ("evaluate", test, victim, *smoke),
    ):
        result = command(*arguments)
        assert (result.exit_code, "they are the wrong way round" in result.stderr) == (1, True), result.output


def test_a_path_that_was_misspelt_is_found_beside_it(command: Command, clean_corpus: Path) -> None:
    result = command("status", clean_corpus / "trian")
    assert (result.exit_code, result.stderr.rstrip().endswith(f"did you mean {clean_corpus}/train?")) == (1, True)
    result = command("settings", "epsilom")
    assert "did you mean epsilon?" in result.stderr


def test_a_unit_is_said_as_a_sentence_would_have_it(command: Command) -> None:
    said = command("settings", "noise.epsilon").stdout
    assert said.startswith("protect.noise.epsilon  in fractions of white; default 8/255; ")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("protect", "a", "b", "--seed", "abc"), "expected a whole number for --seed, got 'abc' (usage: "),
        (("commit", "a", "--alpha", "x"), "expected a number for --alpha, got 'x' (usage: "),
        (("shard", "a", "--limit", "0"), "expected a number greater than or equal to 1 for --limit, got "),
    ],
)
def test_a_value_that_is_none_is_answered_with_what_was_expected(
    command: Command, typed: tuple[str, ...], said: str
) -> None:
    result = command(*typed)
    assert (result.exit_code, result.stderr.startswith(f"memshield: {said}")) == (2, True), result.stderr
