"""`train-lm`, then `protect` with its words: the commands as a user types them."""

import re
from pathlib import Path

import pytest

from tests.support.command_line import Command

pytestmark = pytest.mark.usefixtures("prefect_api")


def test_fluent_words_from_a_model_of_the_corpus_itself(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    corpus, model, dest = clean_corpus / "train", tmp_path / "lm", tmp_path / "protected"
    small = ("--epochs", 1, "--width", 16, "--layers", 1, "--preset", "smoke", "--no-server")
    done = command("train-lm", corpus, model, *small)
    assert done.exit_code == 0, done.output
    assert {"config.json", "tokenizer.json", "model.safetensors"} < {path.name for path in model.iterdir()}
    fluent = ("-s", "protect.trigger.proposals=masked-lm", "-s", f"protect.trigger.language_model={model}")
    done = command("protect", corpus, dest, "--preset", "smoke", "-s", "protect.rounds=1", *fluent, "--no-server")
    assert done.exit_code == 0, done.output
    assert "0 problems" in command("verify", corpus, dest, "--no-server").stdout


def test_few_captions_are_warned_of(
    command: Command, clean_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ("--epochs", 1, "--width", 16, "--layers", 1, "--preset", "smoke", "--no-server")
    done = command("train-lm", clean_corpus / "train", tmp_path, *small)
    (warning,) = (line for line in done.stderr.splitlines() if "warning" in line)
    assert re.search(r"warning: expected 3,000 different captions or more .*, got \d+ in ", warning)
    monkeypatch.setattr("tasks.training.ENOUGH_CAPTIONS", 100)
    done = command("train-lm", clean_corpus / "train", tmp_path, *small)
    assert "was trained before" in done.stderr
    assert "warning" not in done.stderr


def test_mistakes_are_one_sentence(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    corpus = clean_corpus / "train"
    for arguments, sentence in (
        (("train-lm", tmp_path / "nowhere", tmp_path / "lm"), "expected shards"),
        (("train-lm", corpus, tmp_path / "lm", "--width", 30), "expected a width that 4 heads divide"),
        (
            ("protect", corpus, tmp_path / "p", "-s", "protect.trigger.proposals=masked-lm"),
            "masked-lm needs a folder in protect.trigger.language_model",
        ),
    ):
        result = command(*arguments, "--preset", "smoke", "--no-server")
        assert result.exit_code == 1
        assert sentence in result.stderr.strip().splitlines()[-1]
