"""Behind what is wrong stands what to type against it, where the command has an option for it."""

import pickle
import re
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from flows.cli.app import app
from flows.cli.remedies import _REMEDIES, with_remedy
from mem_core.common.errors import ConfigError, Hint, MismatchError, SourceError
from tests.support.command_line import Command

SMOKE = ("--preset", "smoke", "--no-server")


def last_line(command: Command, *arguments: object) -> str:
    result = command(*arguments)
    assert result.exit_code == 1, result.output
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("memshield: expected ") or "needs" in said
    return said


def test_every_hint_has_a_sentence_for_every_or_for_some_command() -> None:
    commands = ("protect", "nightly", "shard", "train", "reproduce", "estimate", "retry", "detect")
    for hint in get_args(Hint):
        error = SourceError("wrong", hint=hint, about="/x")
        said = {with_remedy(error, name) for name in commands}
        assert said - {"wrong"}, hint
        assert not any("{" in sentence for sentence in said)


def test_every_option_that_is_offered_is_one_of_its_command() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for text, names in _REMEDIES.values():
        for name in names:
            has = {option for parameter in commands[name].params for option in parameter.opts}
            assert set(re.findall(r"--[a-z][a-z-]*", text)) <= has, (name, text)


def test_what_a_command_has_no_option_for_is_not_offered() -> None:
    error = ConfigError("recaption needs the clean corpus", hint="name the clean corpus")
    assert with_remedy(error, "train") == "recaption needs the clean corpus: name it with --clean"
    assert with_remedy(error, "pipeline") == "recaption needs the clean corpus"
    assert with_remedy(ConfigError("wrong"), "train") == "wrong"


def test_an_option_is_offered_in_place_of_a_setting() -> None:
    error = SourceError("wrong", hint="name the encoding", about="cp1252")
    assert with_remedy(error, "shard") == "wrong: name it with --encoding cp1252"
    assert with_remedy(error, "estimate") == "wrong: name it with `--set corpus.encoding=cp1252`"


def test_a_lost_key_is_put_back_or_named() -> None:
    error = ConfigError("wrong; put it back", hint="name the key")
    assert with_remedy(error, "commit") == "wrong; put it back, or name its file with --twins-key"
    assert with_remedy(error, "export") == "wrong; put it back"


def test_hints_come_back_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(MismatchError("wrong", hint="redo shards", about="/x")))
    assert (str(error), error.hint, error.about) == ("wrong", "redo shards", "/x")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["protect", "{source}", "{tmp}/out"], ": `memshield shard {source} DEST` makes shards of them in DEST/train"),
        (["train", "{source}", "{tmp}/out"], ": `memshield shard {source} DEST` makes shards of them in DEST/train"),
        (["shard", "{two}", "{tmp}/out"], ": choose one with --format"),
        (
            ["protect", "{clean}", "{tmp}/out", "--strategy", "replay"],
            "`replay` needs a protector, but none is named: name the folder of one with --protector",
        ),
        (
            ["train", "{clean}", "{tmp}/out", "--set", "victim.countermeasures=[{kind: recaption}]"],
            "the countermeasure recaption needs the clean corpus: name it with --clean",
        ),
        (
            ["train", "{clean}", "{tmp}/out", "--set", "victim.finetune={share: 0.5}"],
            "fine-tuning on clean pairs needs the clean corpus: name it with --clean",
        ),
        (
            ["retry", "{tmp}"],
            ", but there is none: name the clean corpus with --clean to look for failed samples, or run `protect` or "
            "`nightly` again to do what is merely missing",
        ),
        (["evaluate", "{tmp}", "{clean}"], "but victim.json is not there: run `train` first"),
    ],
)
def test_what_to_type_is_said(
    command: Command, clean_corpus: Path, drawn_source: Path, tmp_path: Path, arguments: list[str], remedy: str
) -> None:
    two = tmp_path / "two"
    two.mkdir()
    (two / "captions.csv").write_text("image,caption\na.jpg,a cat\n")
    (two / "dataset_flickr8k.json").write_text('{"images": [{"filename": "a.jpg", "sentences": []}]}')
    places = {"{clean}": clean_corpus / "train", "{source}": drawn_source, "{two}": two, "{tmp}": tmp_path}
    for mark, place in places.items():
        arguments = [argument.replace(mark, str(place)) for argument in arguments]
        remedy = remedy.replace(mark, str(place))
    assert last_line(command, *arguments, *SMOKE).endswith(remedy)


def test_datasets_are_named_with_data(command: Command, prefect_api: str, tmp_path: Path) -> None:
    command_line = ("reproduce", tmp_path / "dest", "--only", "table1", "--no-server")
    offer = " (--data names the folder that holds one folder a dataset)"
    assert last_line(command, *command_line).endswith(offer)
    (tmp_path / "photos").mkdir()
    assert last_line(command, *command_line, "--data", tmp_path / "photos").endswith(offer)


def test_what_a_certificate_lacks_is_said_with_the_commands_that_make_it(
    command: Command, clean_corpus: Path, tmp_path: Path
) -> None:
    clean, made = clean_corpus / "train", tmp_path / "made"
    done = command("protect", clean, made, "--method", "codebook", *SMOKE)
    assert done.exit_code == 0, done.output
    for option, remedy in (
        ("--victim", "run `memshield train` and `memshield evaluate` first"),
        ("--stress", "`memshield stress` makes them"),
    ):
        said = last_line(command, "certify", made, option, tmp_path / "no", "--out", tmp_path / "out", "--no-server")
        assert said.endswith(remedy)
    replay = ("protect", clean, tmp_path / "other", "--protector", made / "protector", "--method", "mem", *SMOKE)
    assert last_line(command, *replay).endswith("was fitted for codebook: ask for --method codebook")
