"""`memshield estimate`, then the run that it was about, then what the next estimate says of it."""

import json
import re
from pathlib import Path

import pytest

from tests.support.command_line import Command

pytestmark = pytest.mark.usefixtures("prefect_api")

_SMALL = ("--preset", "smoke", "--no-server", "--set", "protect.method=random-noise")


def test_an_estimate_is_compared_with_its_run(
    command: Command, clean_corpus: Path, drawn_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    said = command("estimate", clean_corpus / "train", *_SMALL)
    assert said.exit_code == 0, said.output
    assert "64 train samples" in said.stdout
    assert "no GPU" in said.stdout
    told = re.search(
        r"^tars to hand out: .+ as png \([\d.]+ times the clean .+\), .+ as webp \(.+\)$", said.stdout, re.M
    )
    assert told, said.stdout
    assert "past run" not in said.stdout
    done = command("protect", clean_corpus / "train", tmp_path / "out", *_SMALL)
    assert done.exit_code == 0, done.output
    (kept,) = (tmp_path / "home/estimates").iterdir()
    (took,) = json.loads(kept.read_text())["took"]
    left = sum(path.stat().st_size for path in (tmp_path / "out").glob("0*"))
    assert took["kept"] == left
    again = command("protect", clean_corpus / "train", tmp_path / "out", *_SMALL)
    assert again.exit_code == 0, again.output
    assert len(json.loads(kept.read_text())["took"]) == 1  # nothing was done: nothing to compare
    said = command("estimate", clean_corpus, *_SMALL)
    assert "one past run of protect took" in said.stdout, said.output


def test_what_a_fit_leaves_counts_as_what_it_was_estimated_to_leave(
    command: Command, clean_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    settings = ("--preset", "smoke", "--no-server")
    said = command("estimate", clean_corpus / "train", *settings)
    assert re.search(r"train: about \d+ seconds?$", said.stderr, re.MULTILINE), said.output
    done = command("protect", clean_corpus / "train", tmp_path / "out", *settings)
    assert re.search(r"protect took \d+ seconds?, [\d.]+ times what was estimated", done.stderr), done.output
    (kept,) = (tmp_path / "home/estimates").iterdir()
    (took,) = json.loads(kept.read_text())["took"]
    left = [path for place in ("0*", "protector/*") for path in (tmp_path / "out").glob(place)]
    assert took["kept"] == sum(path.stat().st_size for path in left)
    assert 0.8 < took["kept"] / json.loads(kept.read_text())["kept"] < 1.25


def test_a_source_is_estimated_with_its_sharding_in_a_folder_of_choice(
    command: Command, drawn_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    scratch = tmp_path / "scratch"
    said = command("estimate", drawn_source, *_SMALL, "--scratch", scratch)
    assert said.exit_code == 0, said.output
    assert "shard" in said.stdout
    assert "16 test, 64 train, 8 val samples" in said.stdout
    assert not scratch.exists()
    scratch.mkdir()
    said = command("estimate", drawn_source, *_SMALL, "--scratch", scratch)
    assert (said.exit_code, list(scratch.iterdir())) == (0, [])
    (scratch / "mine.txt").write_text("mine")
    refused = command("estimate", drawn_source, *_SMALL, "--scratch", scratch)
    assert refused.exit_code == 1
    assert "expected an empty folder to calibrate in" in refused.stderr
    for source in (drawn_source, drawn_source / "captions.csv"):
        refused = command("estimate", source, *_SMALL, "--scratch", drawn_source / "scratch")
        assert refused.exit_code == 1
        assert "expected a destination apart from the source" in refused.stderr
        assert not (drawn_source / "scratch").exists()
    missing = command("estimate", tmp_path / "nowhere", *_SMALL)
    assert (missing.exit_code, "does not exist" in missing.stderr) == (1, True)


def test_notes_of_past_runs_that_are_broken_cost_no_result(
    command: Command, clean_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSHIELD_HOME", str(tmp_path / "home"))
    notes = tmp_path / "home/estimates"
    assert command("estimate", clean_corpus / "train", *_SMALL).exit_code == 0
    (kept,) = notes.iterdir()
    kept.write_text("{")
    done = command("protect", clean_corpus / "train", tmp_path / "out", *_SMALL)
    assert done.exit_code == 0, done.output
    assert f"warning: expected an estimate in {kept}" in done.output.replace("\n", "")
    said = command("estimate", clean_corpus, *_SMALL)
    assert (said.exit_code, "64 train, 8 val samples" in said.stdout) == (0, True), said.output
    for note in notes.iterdir():
        note.unlink()
    notes.rmdir()
    notes.write_text("a file")
    done = command("protect", clean_corpus / "train", tmp_path / "out2", *_SMALL)
    assert done.exit_code == 0, done.output
    assert f"warning: past runs in {notes} cannot be used: expected a folder" in done.output.replace("\n", "")
    said = command("estimate", clean_corpus, *_SMALL)
    assert (said.exit_code, "64 train, 8 val samples" in said.stdout) == (0, True), said.output
