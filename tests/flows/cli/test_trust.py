"""Preview, certify and detect as commands, and the mistakes that end as one sentence."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Command
from tests.support.documented_fields import as_documented

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

    shown = command("preview", clean, protected, "--out", out, "--no-server")
    assert shown.exit_code == 1
    assert "expected samples with noise" in shown.stderr


def test_what_shows_most(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    clean, protected = clean_corpus / "train", tmp_path / "protected"
    smoke = "--preset", "smoke", "--no-server"
    assert command("protect", clean, protected, "--set", "protect.rounds=1", *smoke).exit_code == 0
    typed_before = "preview", protected, "--clean", clean, "--out", tmp_path / "preview", "--no-server"
    shown = command(*typed_before)
    assert "CLEAN is typed first now: memshield preview CLEAN PROTECTED" in shown.stderr
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
    assert "/twins.json: `memshield protect CLEAN DEST --twins` makes one" in found.stderr
    found = command("commit", clean, "--alpha", "0.7", "--no-server")
    assert (found.exit_code, "the test: alpha: Input should be less than 0.5" in found.stderr) == (1, True)
    found = command("detect", tmp_path / "victim", "--twins", clean, "--no-server")
    assert (found.exit_code, "--commitment" in found.stderr) == (2, True)
    settled = "--commitment", tmp_path / "commitment.json"
    found = command("detect", tmp_path / "victim", "--twins", clean, *settled, "--no-server")
    assert (found.exit_code, "without one from before publishing there is no evidence" in found.stderr) == (1, True)
    found = command("detect", tmp_path / "detection.json", "--check", tmp_path / "commitment.json")
    assert (found.exit_code, "expected the result of a detection at" in found.stderr) == (1, True)


def test_from_two_versions_to_a_verdict_that_others_check(
    command: Command, clean_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    clean, (protected, victim, out) = (
        clean_corpus / "train",
        (tmp_path / name for name in ("protected", "victim", "out")),
    )
    smoke = "--preset", "smoke", "--no-server"
    done = command("protect", clean, protected, "--twins", "--method", "mark", *smoke)
    assert done.exit_code == 0, done.output
    assert f"before you publish, or nothing can be shown later: memshield commit {protected}" in done.stdout
    settled = command("commit", protected, "--out", out, "--statistic", "words", "--no-server")
    assert (settled.exit_code, "64 twin pairs" in settled.stdout) == (0, True), settled.output
    assert "its own date proves nothing" in settled.stdout
    named = "--commitment", out / "commitment.json", "--out", out
    assert command("certify", protected, *named, "--no-server").exit_code == 0
    assert "A commitment to 64 twin pairs" in (out / "certificate.html").read_text()
    assert command("certify", protected, "--check", out / "certificate.json").exit_code == 0
    again = command("commit", protected, "--out", out, "--no-server")
    assert (again.exit_code, "expected no commitment at" in again.stderr) == (1, True), again.output
    longer = [f"victim.{name}" for name in ("epochs=12", "batch_size=16", "learning_rate=0.002", "warmup_steps=5")]
    changed = [part for one in longer for part in ("--set", one)]
    assert command("train", protected, victim, *changed, *smoke).exit_code == 0
    twins = "--twins", protected / "twins", "--commitment", out / "commitment.json"
    found = command("detect", victim, *twins, "--out", out, *smoke)
    assert (found.exit_code, "Evidence that victim learned from" in found.stdout) == (0, True), found.output
    result, check = out / "detection.json", ("--check", out / "commitment.json")
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "of somebody else"))
    closed = command("detect", result, *check)
    assert (closed.exit_code, "name its file with --twins-key, or write the res" in closed.stderr) == (1, True)
    (key,) = (tmp_path / "home" / "keys").glob("*.key")
    checked = command("detect", result, *check, "--twins-key", key)
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    assert command("detect", result, *check).stdout == checked.stdout
    assert (checked.exit_code, "Evidence that victim learned" in checked.stdout) == (0, True), checked.output
    assert key.read_text().strip() not in result.read_text()
    over = command("detect", victim, *twins, "--out", out, "--open", *smoke)
    said = "expected no other detection.json" in over.stderr and over.stderr.rstrip().endswith("with --out")
    assert (over.exit_code, said) == (1, True), over.output
    result = tmp_path / "opened" / "detection.json"
    opened = command("detect", victim, *twins, "--out", result.parent, "--open", "--json", *smoke)
    told = as_documented(opened.stdout, "detect")
    assert (opened.exit_code, told["outcome"]["evidence"], told["model"]) == (0, True, "victim"), opened.output
    assert key.read_text().strip() in result.read_text()
    assert command("detect", result, *check).stdout == checked.stdout
    again = command("detect", result, *check, "--json")
    assert as_documented(again.stdout, "detect") == {**told, "page": ""}
    values = json.loads(result.read_text())
    values["outcome"]["p"] /= 1000
    result.write_text(json.dumps(values))
    edited = command("detect", result, *check)
    assert (edited.exit_code, "as memshield wrote it, but it was edited" in edited.stderr) == (1, True)
    asked = command("detect", "service", *twins, "--queries", tmp_path / "ask", *smoke)
    assert (asked.exit_code, "queries: " in asked.stdout) == (0, True), asked.output
    asked = command("detect", "service", *twins, "--queries", tmp_path / "ask", "--json", *smoke)
    assert as_documented(asked.stdout, "detect --queries")["file"] == f"{tmp_path}/ask/queries.jsonl"
    (tmp_path / "answers.jsonl").write_text("")
    silent = command("detect", "service", *twins, "--embeddings", tmp_path / "answers.jsonl", *smoke)
    assert (silent.exit_code, "expected a vector for each query in" in silent.stderr) == (1, True), silent.output
    key.chmod(0o640)
    shown = command("detect", victim, *twins, "--out", out, *smoke)
    assert (shown.exit_code, "to be readable by its owner alone" in shown.stderr) == (1, True), shown.output
    key.unlink()
    lost = command("detect", victim, *twins, "--out", out, *smoke)
    assert (lost.exit_code, "expected the secret key of the twins" in lost.stderr) == (1, True), lost.output
