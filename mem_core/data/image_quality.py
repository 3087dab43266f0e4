"""How visible the noise is: PSNR and SSIM of a protected image against the clean one.

PSNR: 10 log10(255^2 / MSE), the mean squared error taken over all pixels and the three channels.

SSIM: Wang, Bovik, Sheikh and Simoncelli (2004) with a uniform window of 7 x 7 pixels, K1 = 0.01, K2 = 0.03,
L = 255, population variances, on each of R, G and B; the mean over all windows that lie inside the image and
over the channels. That is scikit-image's `structural_similarity(..., channel_axis=2, data_range=255,
use_sample_covariance=False)`. Along a side shorter than 7 pixels the window is as long as the side, so that
one pixel is enough: SSIM then compares brightness alone.

Window sums are whole numbers and results are rounded (PSNR to 4 decimals, SSIM to 6), so that machines agree on
what they write down.

Why this is not scikit-image itself, which gave the same rounded values on 2,000 pairs of 7 to 136 pixels a side: it
refuses sides below 7 pixels, its running sums are floats of some version where these numbers are published, and it
takes many times as long, and 2 GB at 4,000 pixels a side, where bands take a few MB.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mem_core.config import Frozen
from mem_core.config.protect import QualityConfig
from mem_core.data.images import Pixels

Number = TypeVar("Number", np.uint16, np.int32)

_WINDOW = 7
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_PIXELS_IN_MEMORY = 1 << 14  # a band of the image at a time, within a core's cache: 65,536 take four times as long


class QualitySummary(Frozen):
    """How one visibility number is spread over a corpus; low is more visible."""

    samples: int = Field(ge=1)
    mean: float
    median: float
    fifth_percentile: float
    lowest: float


def psnr(clean: Pixels, protected: Pixels) -> float:
    """uint8 [H, W, 3] twice -> decibels, infinity for equal images. Raises ValueError for other shapes or dtypes."""
    _check(clean, protected)
    squares = 0
    for band in _bands(clean.shape[0], clean.shape[1]):
        difference = clean[band].astype(np.int32) - protected[band]
        squares += int(np.square(difference, out=difference).sum(dtype=np.int64))
    if squares == 0:
        return math.inf
    return round(10 * math.log10(255**2 * clean.size / squares), 4)


def ssim(clean: Pixels, protected: Pixels) -> float:
    """uint8 [H, W, 3] twice -> -1..1, 1 for equal images. Raises ValueError for other shapes or dtypes."""
    _check(clean, protected)
    height, width = clean.shape[:2]
    rows, columns = min(_WINDOW, height), min(_WINDOW, width)
    total = 0.0
    for band in _bands(height - rows + 1, width):
        wide = slice(band.start, band.stop + rows - 1)
        total += float(_ssim_map(clean[wide], protected[wide], rows, columns).sum())
    windows = (height - rows + 1) * (width - columns + 1)
    return round(total / float(windows * 3), 6)


def keeps_floors(psnr_found: float, ssim_found: float, config: QualityConfig) -> bool:
    """Whether an image is as near to the clean one as is asked for."""
    near = config.min_psnr is None or psnr_found >= config.min_psnr
    return near and (config.min_ssim is None or ssim_found >= config.min_ssim)


def summarise_quality(values: Sequence[float | None]) -> QualitySummary | None:
    """The spread of PSNR or SSIM over samples; None and infinity (equal images) are left out, nothing left is None."""
    finite = np.array([value for value in values if value is not None and math.isfinite(value)])
    if finite.size == 0:
        return None
    low, middle = np.percentile(finite, [5, 50])
    return QualitySummary(
        samples=int(finite.size),
        mean=float(finite.mean()),
        median=float(middle),
        fifth_percentile=float(low),
        lowest=float(finite.min()),
    )


def _check(clean: Pixels, protected: Pixels) -> None:
    for image in (clean, protected):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"expected uint8 pixels [H, W, 3], got {image.dtype} {image.shape}")
    if clean.shape != protected.shape:
        raise ValueError(f"expected two images of one size, got {clean.shape} and {protected.shape}")


def _bands(rows: int, width: int) -> Iterator[slice]:
    step = max(1, _PIXELS_IN_MEMORY // width)
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def _ssim_map(clean: Pixels, protected: Pixels, rows: int, columns: int) -> NDArray[np.float64]:
    """uint8 [H, W, 3] twice -> float64 [H - rows + 1, 3 (W - columns + 1)], SSIM of each window.

    Whole numbers up to the last: both sides of both fractions are multiplied by the square of a window's n pixels.
    """
    height, width, _ = clean.shape
    x, y = (pixels.reshape(height, 3 * width).astype(np.uint16) for pixels in (clean, protected))
    n = rows * columns
    sum_x, sum_y = (_window_sums(values, rows, columns).astype(np.int32) for values in (x, y))
    products = np.multiply(x, y, dtype=np.int32)
    squares = np.multiply(x, x, dtype=np.int32)
    squares += np.multiply(y, y, dtype=np.int32)
    covariance, variance = (_window_sums(values, rows, columns) for values in (products, squares))
    means = sum_x * sum_y
    means_squared = sum_x * sum_x
    means_squared += sum_y * sum_y
    covariance *= n
    covariance -= means
    variance *= n
    variance -= means_squared
    above = means * np.float64(2) + _C1 * n * n
    above *= covariance * 2.0 + _C2 * n * n
    below = (means_squared + _C1 * n * n) * (variance + _C2 * n * n)
    return np.asarray(above / below, dtype=np.float64)


def _window_sums(values: NDArray[Number], rows: int, columns: int) -> NDArray[Number]:
    """[H, 3 W] -> [H - rows + 1, 3 (W - columns + 1)]; uint16 holds 49 x 255, int32 49 x 49 x 2 x 255^2."""
    return _run_sums(_run_sums(values, rows).T, columns, step=3).T


def _run_sums(values: NDArray[Number], length: int, step: int = 1) -> NDArray[Number]:
    """Sums over every `length` rows that are `step` apart: of one, two, four... of them, put together to the length."""
    count = len(values) - (length - 1) * step
    done, at, sums, width = None, 0, values, 1
    while True:
        if length & width:
            part = sums[at * step :][:count]
            done, at = part if done is None else done + part, at + width
        if 2 * width > length:
            assert done is not None
            return done
        sums = sums[: len(sums) - width * step] + sums[width * step :]
        width *= 2
