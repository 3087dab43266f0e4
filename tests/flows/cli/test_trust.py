"""Preview, certify and detect as commands, and the mistakes that end as one sentence."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Command

pytestmark = pytest.mark.usefixtures("prefect_api")


def test_a_certificate_from_the_command_line(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    clean, protected, out = clean_corpus / "train", tmp_path / "protected", tmp_path / "out"
    made = command("protect", clean, protected, "--method", "random-trigger", "--preset", "smoke", "--no-server")
    assert made.exit_code == 0, made.output
    done = command("certify", protected, "--clean", clean, "--out", out, "--no-server")
    assert (done.exit_code, "nothing is known about what it is worth" in done.stdout) == (0, True), done.output
    path = out / "certificate.json"
    checked = command("certify", protected, "--check", path)
    assert (checked.exit_code, "as it was written" in checked.stdout) == (0, True), checked.output
    tar = protected / "00000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-1] + b"x")  # as many bytes as before
    refused = command("certify", protected, "--check", path)
    assert (refused.exit_code, "before it was changed" in refused.stderr) == (1, True), refused.output
    tar.unlink()
    for certificate in (("--check", path), ("--out", tmp_path / "other", "--no-server")):
        refused = command("certify", protected, *certificate)
        assert (refused.exit_code, "00000.tar" in refused.stderr) == (1, True), refused.output
        assert "missing" in refused.stderr
    tar.write_bytes(whole)
    values = json.loads(path.read_text())
    values["made"]["counts"]["protected"] += 1
    path.write_text(json.dumps(values))
    refused = command("certify", protected, "--check", path)
    assert refused.exit_code == 1
    assert "its hash does not match: it was edited" in refused.stderr

    shown = command("preview", protected, "--clean", clean, "--out", out, "--no-server")
    assert shown.exit_code == 1
    assert "expected samples with noise" in shown.stderr


def test_what_shows_most(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    clean, protected = clean_corpus / "train", tmp_path / "protected"
    smoke = "--preset", "smoke", "--no-server"
    assert command("protect", clean, protected, "--set", "protect.rounds=1", *smoke).exit_code == 0
    shown = command("preview", protected, "--clean", clean, "--out", tmp_path / "preview", "--no-server")
    assert (shown.exit_code, "Traceback" in shown.output) == (0, False), shown.output
    assert (tmp_path / "preview" / "preview.html").is_file()


def test_mistakes_are_sentences(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    clean = clean_corpus / "train"
    found = command("certify", clean, "--no-server", "--out", tmp_path / "out")
    assert (found.exit_code, "its shard 00000 is a clean one" in found.stderr) == (1, True)
    found = command("certify", clean, "--check", tmp_path / "nothing.json")
    assert (found.exit_code, "there is no such file" in found.stderr) == (1, True)
    found = command("commit", clean, "--no-server")
    assert (found.exit_code, "expected a corpus that was protected with twins in" in found.stderr) == (1, True)
    found = command("commit", clean, "--alpha", "0.7", "--no-server")
    assert (found.exit_code, "the test: alpha: Input should be less than 0.5" in found.stderr) == (1, True)
    found = command("detect", tmp_path / "victim", "--twins", clean, "--no-server")
    assert (found.exit_code, "--commitment" in found.stderr) == (2, True)
    settled = "--commitment", tmp_path / "commitment.json"
    found = command("detect", tmp_path / "victim", "--twins", clean, *settled, "--no-server")
    assert (found.exit_code, "without one from before publishing there is no evidence" in found.stderr) == (1, True)
    found = command("detect", tmp_path / "detection.json", "--check", tmp_path / "commitment.json")
    assert (found.exit_code, "expected the result of a detection at" in found.stderr) == (1, True)
