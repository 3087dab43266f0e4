"""Noise that shows too much: scaled back as little as it takes, or the sample is reported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import ImageError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config.protect import QualityConfig
from mem_core.data.image_quality import psnr, ssim
from mem_core.data.images import Picture
from mem_core.data.receipt import read_receipt, receipt_bytes, receipt_name
from mem_core.data.shard import shard_bytes
from mem_core.data.table import SampleRow, read_table, write_table
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from mem_core.protect.quality_floor import published_pixels, scaled_back, within_budget
from tests.support.corpora import RUNTIME, encoded, photo, protect, sample, samples_of, small

noises = arrays(np.int8, (9, 11, 3), elements=st.integers(-8, 8))


@given(noises, st.integers(1, 8))
def test_scaling_back_is_division_toward_zero(noise: np.ndarray, kept: int) -> None:
    found = scaled_back(noise, kept, 8)
    assert np.array_equal(found, np.trunc(noise.astype(float) * kept / 8).astype(np.int8))
    assert int(np.abs(found).max(initial=0)) <= kept


@given(noises, st.floats(20, 60))
def test_the_first_level_that_keeps_the_floor_is_taken(noise: np.ndarray, floor: float) -> None:
    clean = Picture(np.full((9, 11, 3), 120, np.uint8))
    shown = {kept: (clean.pixels + np.trunc(noise.astype(float) * kept / 8)).astype(np.uint8) for kept in range(1, 9)}
    some = [kept for kept, pixels in shown.items() if kept == 8 or (pixels != clean.pixels).any()]
    good = [kept for kept in some if psnr(clean.pixels, shown[kept]) >= floor]
    if not good:
        with pytest.raises(ImageError, match="even the least of this noise"):
            within_budget(clean, noise, 8, QualityConfig(min_psnr=floor))
        return
    found = within_budget(clean, noise, 8, QualityConfig(min_psnr=floor))
    assert found.levels == max(good)
    assert np.array_equal(found.pixels, shown[max(good)])
    assert (found.psnr, found.ssim) == (psnr(clean.pixels, found.pixels), ssim(clean.pixels, found.pixels))


def test_noise_that_scaling_rounds_to_nothing_is_no_protection() -> None:
    clean, faint = Picture(np.full((9, 11, 3), 120, np.uint8)), np.ones((9, 11, 3), np.int8)
    assert within_budget(clean, faint, 8, QualityConfig(min_psnr=40)).levels == 8
    with pytest.raises(ImageError, match=r"the least of this noise has 48\.13 dB"):
        within_budget(clean, faint, 8, QualityConfig(min_psnr=60))


def test_noise_that_was_not_projected_is_refused() -> None:
    clean = np.full((1, 1, 3), 250, np.uint8)
    assert published_pixels(clean, np.full((1, 1, 3), 5, np.int8)).tolist() == [[[255] * 3]]
    with pytest.raises(ValueError, match="project it first"):
        published_pixels(clean, np.full((1, 1, 3), 6, np.int8))


def corpus(folder: Path) -> LocalFolder:
    """A photo that hides noise, and a flat sky that does not."""
    flat = encoded(Image.new("RGB", (32, 32), (120, 160, 200)))
    clean = LocalFolder(folder)
    write_bytes(clean, "00000.tar", shard_bytes([sample("000000000", encoded(photo(3))), sample("000000001", flat)]))
    return clean


def published(
    clean: LocalFolder, dest: Path, min_ssim: float, on_error: str = "skip"
) -> tuple[LocalFolder, list[SampleRow], VerifyReport]:
    config = small(method="random-noise", quality={"min_ssim": min_ssim}, on_error=on_error)
    folder = LocalFolder(dest)
    protect(Protection(Places(clean, folder), config, RUNTIME, seed=0))
    rows = read_table(read_bytes(folder, "00000.parquet"), "00000.parquet")
    return folder, rows, verify_corpus(clean, folder, tokenize=Tokenizer(77).encode)


def test_a_sample_below_its_floor_is_backed_off_recorded_counted_and_verified(tmp_path: Path) -> None:
    dest, (textured, flat), report = published(corpus(tmp_path / "clean"), tmp_path / "dest", 0.85)
    assert report.ok, report.problems
    assert (textured.backed_off_to, textured.max_abs_difference) == (0, 8)
    assert 1 <= flat.backed_off_to == flat.max_abs_difference < 8
    assert flat.ssim is not None
    assert flat.ssim >= 0.85
    assert json.loads(read_bytes(dest, "00000_stats.json"))["backed_off"] == 1


def test_a_floor_out_of_reach_reports_the_sample_and_never_lowers_it_silently(tmp_path: Path) -> None:
    clean = corpus(tmp_path / "clean")
    _, rows, report = published(clean, tmp_path / "dest", 0.9999)
    assert report.ok, report.problems
    assert [(row.status, row.code) for row in rows] == [("failed", "over-budget")] * 2
    assert all("expected an SSIM of at least 0.9999, but even the least of this noise" in row.reason for row in rows)
    dest, rows, report = published(clean, tmp_path / "passed", 0.9999, on_error="passthrough")
    assert [row.status for row in rows] == ["passthrough", "passthrough"]
    assert report.ok, report.problems
    assert [warning.key for warning in report.warnings] == ["000000000", "000000001"]
    for made, unchanged in zip(samples_of(dest, "00000"), samples_of(clean, "00000"), strict=True):
        assert (made.extension, made.captions) == ("png", unchanged.captions)
        assert made.metadata.keys() == {"memshield"}  # not the address: what passes through is no exception
        assert made.metadata["memshield"]["method"] == "none"


def test_verify_measures_the_budget_itself(tmp_path: Path) -> None:
    clean = corpus(tmp_path / "clean")
    dest, rows, _ = published(clean, tmp_path / "dest", 0.5)
    receipt = read_receipt(dest, "00000")
    assert receipt is not None

    def said(**changes: object) -> list[str]:
        write_bytes(dest, receipt_name("00000"), receipt_bytes(receipt.model_copy(update=changes)))
        return [problem.what for problem in verify_corpus(clean, dest, tokenize=Tokenizer(77).encode).problems]

    assert any("below the receipt's quality budget" in what for what in said(quality=QualityConfig(min_ssim=0.99)))
    write_bytes(dest, "00000.parquet", write_table([replace(row, backed_off_to=2) for row in rows]))
    assert any("at most 2 levels, got 8" in what for what in said())
    assert any("no quality budget" in what for what in said(quality=QualityConfig()))
