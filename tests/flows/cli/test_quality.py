"""Noise that was scaled back is counted where people look: at the end of `protect`, and by `status`."""

from pathlib import Path

import pytest

from tests.support.command_line import Command

pytestmark = pytest.mark.usefixtures("prefect_api")

_SETTINGS = ("--preset", "smoke", "--no-server", "--method", "random-noise", "--set", "protect.quality.min_psnr=40")


def test_protect_and_status_say_how_many_images_were_scaled_back(
    command: Command, clean_corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "night sky"
    done = command("protect", clean_corpus / "train", out, *_SETTINGS)
    assert done.exit_code == 0, done.output
    said = "the noise of 64 images was scaled back to keep protect.quality"
    assert f"random-noise: {said}" in done.stderr
    found = command("status", out)
    assert f"night sky: {said}" in found.stdout.replace("\n", " ")
    plain = command("status", clean_corpus / "train")
    assert "scaled back" not in plain.stdout
    assert "train" in plain.stdout
