"""PSNR and SSIM against a slow implementation in exact fractions, pixel by pixel."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.data import image_quality as quality
from mem_core.data.image_quality import psnr, ssim, summarise_quality


@st.composite
def image_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    height, width = draw(st.integers(1, 10)), draw(st.integers(1, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0, 1, 8, 255]))
    clean = rng.integers(0, 256, (height, width, 3))
    return clean.astype(np.uint8), np.clip(clean + rng.integers(-spread, spread + 1, clean.shape), 0, 255).astype(
        np.uint8
    )


def slow_ssim(clean: np.ndarray, protected: np.ndarray) -> float:
    height, width, channels = clean.shape
    rows, columns = min(7, height), min(7, width)
    c1, c2 = Fraction(255, 100) ** 2, Fraction(3 * 255, 100) ** 2
    windows = []
    for top in range(height - rows + 1):
        for left in range(width - columns + 1):
            for channel in range(channels):
                x = [int(v) for v in clean[top : top + rows, left : left + columns, channel].ravel()]
                y = [int(v) for v in protected[top : top + rows, left : left + columns, channel].ravel()]
                n = len(x)
                mx, my = Fraction(sum(x), n), Fraction(sum(y), n)
                vx = sum((a - mx) ** 2 for a in x) / n
                vy = sum((b - my) ** 2 for b in y) / n
                cov = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / n
                windows.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(sum(windows) / len(windows))


@settings(max_examples=40, deadline=None)
@given(image_pairs())
def test_ssim_equals_the_slow_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert ssim(*pair) == pytest.approx(slow_ssim(*pair), abs=1e-6)


@given(image_pairs())
def test_psnr_equals_the_slow_one(pair: tuple[np.ndarray, np.ndarray]) -> None:
    clean, protected = pair
    squares = [(int(a) - int(b)) ** 2 for a, b in zip(clean.ravel(), protected.ravel(), strict=True)]
    if any(squares):
        expected = 10 * math.log10(255**2 / (sum(squares) / len(squares)))
        assert psnr(clean, protected) == pytest.approx(expected, abs=1e-4)
    else:
        assert psnr(clean, protected) == math.inf
        assert ssim(clean, protected) == 1


def test_values_of_scikit_image() -> None:
    """Computed once with scikit-image 0.25 (channel_axis=2, data_range=255, use_sample_covariance=False)."""
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8) // 3
    protected = np.clip(clean.astype(int) + rng.integers(-8, 9, clean.shape), 0, 255).astype(np.uint8)
    assert ssim(clean, protected) == pytest.approx(0.9817033674, abs=1e-6)
    assert psnr(clean, protected) == pytest.approx(34.4782202, abs=1e-4)


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    clean, protected = rng.integers(0, 256, (2, 40, 33, 3), dtype=np.uint8)
    whole = psnr(clean, protected), ssim(clean, protected)
    monkeypatch.setattr(quality, "_PIXELS_IN_MEMORY", 1)
    assert (psnr(clean, protected), ssim(clean, protected)) == whole


def test_running_totals_may_wrap() -> None:
    """A white image so wide that the totals of squares leave int32."""
    white = np.full((8, 20_000, 3), 255, np.uint8)
    assert ssim(white, white) == 1


def test_one_pixel() -> None:
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert psnr(black, white) == 0
    assert ssim(black, white) == pytest.approx(0.0001, abs=1e-5)


def test_refusals() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    others: list[np.ndarray] = [image[:3], image[..., :2], image.astype(np.float32), image[..., 0], image[:0]]
    for other in others:
        with pytest.raises(ValueError, match="expected"):
            psnr(image, other)
        with pytest.raises(ValueError, match="expected"):
            ssim(other, image)


def test_fast_enough() -> None:
    """200 images a second are asked for; a quarter of it is accepted here, since test machines are shared."""
    rng = np.random.default_rng(2)
    clean, protected = rng.integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    start = time.process_time()
    for _ in range(20):
        psnr(clean, protected)
        ssim(clean, protected)
    assert time.process_time() - start < 20 / 50


def test_summary() -> None:
    summary = summarise_quality([30.0, 40.0, None, math.inf, 50.0])
    assert summary is not None
    assert (summary.samples, summary.mean, summary.median, summary.lowest) == (3, 40.0, 40.0, 30.0)
    assert summary.fifth_percentile == pytest.approx(31.0)
    assert summarise_quality([None, math.inf]) is None
