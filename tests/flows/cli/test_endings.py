"""Commands end with what came out, where it lies and the next command; what failed is named by its file."""

import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.command_line import Command
from tests.support.source_making import write_images

pytestmark = pytest.mark.usefixtures("prefect_api")
_SMOKE = ("--preset", "smoke", "--no-server")


def typed_next(result: Result, **chosen: object) -> list[str]:
    """The words of the command that comes next, with places for those in capitals."""
    assert result.exit_code == 0, result.output
    last = result.stdout.splitlines()[-1]
    assert last.startswith("next: memshield "), result.stdout
    return [str(chosen.get(word, word)) for word in shlex.split(last)[2:]]


def test_the_next_command_can_be_typed_until_the_pictures_are_there(command: Command, tmp_path: Path) -> None:
    photos, corpus, protected = tmp_path / "my photos", tmp_path / "corpus", tmp_path / "protected"
    write_images(photos, ["a.png", "holiday/b.png", "holiday/c.png"])
    for name in ("a", "holiday/b"):
        (photos / f"{name}.txt").write_text(f"the picture {name}")
    sharded = command("shard", photos, corpus, *_SMOKE)
    assert "failed: holiday/c.png: no-caption: expected a caption of 'holiday/c.png'" in sharded.stdout
    shown = command("status", corpus / "train")
    assert "failed: holiday/c.png: no-caption:" in shown.stdout
    assert typed_next(shown)[:2] == ["protect", f"{corpus}/train"]
    words = typed_next(sharded, PROTECTED=protected)
    assert words == ["protect", f"{corpus}/train", str(protected), "--preset", "smoke"]
    done = command(*words, "--set", "protect.rounds=1", "--no-server")
    verified = command(*typed_next(done), "--no-server")
    previewed = command(*typed_next(verified), "--out", tmp_path / "look", "--no-server")
    exported = command(*typed_next(previewed, FOLDER=tmp_path / "out"))
    assert exported.exit_code == 0, exported.output
    assert (tmp_path / "out/holiday/b.png").is_file()
    assert typed_next(command("status", protected, "--clean", corpus / "train"))[:2] == ["verify", f"{corpus}/train"]
    shutil.copy(corpus / "train/00000.tar", corpus / "train/00001.tar")  # what a night is for
    assert typed_next(command("status", protected, "--clean", corpus / "train"))[:2] == ["nightly", f"{corpus}/train"]


def test_a_split_that_came_out_empty_is_said_before_it_is_missed(command: Command, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    names = [f"{number}.png" for number in range(5)]
    write_images(photos, names)
    for name in names:
        (photos / name).with_suffix(".txt").write_text("a picture")
    sharded = command("shard", photos, tmp_path / "corpus", "--set", "corpus.holdout=0.001", *_SMOKE)
    assert "nothing is in test: corpus.holdout=0.001 drew none of 5 images; " in sharded.stdout
    assert typed_next(sharded)[:2] == ["protect", f"{tmp_path}/corpus/train"]


def test_samples_that_could_not_be_protected_are_named(command: Command, tmp_path: Path) -> None:
    photos, corpus, protected = tmp_path / "photos", tmp_path / "corpus", tmp_path / "protected"
    names = [f"{number}.png" for number in range(25)]
    write_images(photos, names)
    for name in names:
        (photos / name).with_suffix(".txt").write_text("a picture")
    assert command("shard", photos, corpus, *_SMOKE).exit_code == 0
    strict = ("--method", "random-noise", "--set", "protect.quality.min_psnr=80")
    done = command("protect", corpus / "train", protected, *strict, *_SMOKE)
    named = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert named[0].startswith("failed: 0.png: over-budget: ")
    assert len(named) == 21
    assert named[-1].startswith("failed: ... and 5 more, in the tables of ")
    assert command("status", protected).stdout.count("failed: ") == 21


def test_a_victim_ends_with_how_it_is_measured(command: Command, clean_corpus: Path, tmp_path: Path) -> None:
    trained = command("train", clean_corpus / "train", tmp_path / "victim", *_SMOKE)
    assert f"victim after 1 epoch: {tmp_path}/victim" in trained.stdout
    measured = command(*typed_next(trained, TEST=clean_corpus / "test"), "--no-server")
    assert typed_next(measured)[:3] == ["certify", "PROTECTED", "--victim"]
