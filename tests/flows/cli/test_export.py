"""Three commands: a folder in, a folder out."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import Command
from tests.support.source_making import write_images

_SETTINGS = ("--preset", "smoke", "--no-server")


@pytest.mark.usefixtures("prefect_api")
def test_a_folder_in_three_commands_a_folder_out(command: Command, tmp_path: Path) -> None:
    photos, corpus, protected, out = (tmp_path / name for name in ("photos", "corpus", "protected", "my site"))
    write_images(photos, ["holiday/a.png", "b.png", "no-caption.png"])
    (photos / "holiday/a.txt").write_text("a hill")
    (photos / "b.json").write_text(json.dumps({"captions": ["a boat", "two"]}))
    assert command("shard", photos, corpus, *_SETTINGS).exit_code == 0
    done = command("protect", corpus / "train", protected, "--method", "random-noise", *_SETTINGS)
    assert done.exit_code == 0, done.output
    said = command("export", protected, out, "--clean", corpus / "train")
    assert said.exit_code == 0, said.output
    assert f"2 .png pictures, 3 captions in .txt beside them: {out}" in said.stdout
    assert "not there: 1\n  no-caption.png: no-caption: expected a caption" in said.stdout
    pictures = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert pictures == {".memshield-export.json", "b.json", "b.png", "b.txt", "holiday/a.png", "holiday/a.txt"}
    (out / "b.png").write_bytes(b"mine")
    again = command("export", protected, out)
    assert (again.exit_code, "b.png: expected b.png as it is published" in again.stdout) == (1, True), again.output
    assert (out / "b.png").read_bytes() == b"mine"
    inside = command("export", protected, protected / "out")
    assert (inside.exit_code, "lies inside" in inside.stderr) == (1, True)
    (protected / "manifest.json").unlink()
    unfinished = command("export", protected, tmp_path / "other")
    assert "`memshield protect` again goes on where it stopped" in unfinished.stderr
