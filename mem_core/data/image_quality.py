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
takes 2.6 times as long at 32 pixels, 0.8 at 128 to 256, 3.8 at 1,024, and 2 GB at 4,000, where bands take tens of MB.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mem_core.config import Frozen
from mem_core.config.protect import QualityConfig
from mem_core.data.images import Pixels

_WINDOW = 7
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_PIXELS_IN_MEMORY = 1 << 16  # a band of the image at a time: a 64-megapixel photo takes no more than a small one


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
    """uint8 [H, W, 3] twice -> float64 [H - rows + 1, W - columns + 1, 3], SSIM of each window."""
    x, y = clean.astype(np.int32), protected.astype(np.int32)
    moments = np.stack([x, y, x * x + y * y, x * y])
    sums = _window_sums(_window_sums(moments, rows, axis=1), columns, axis=2).astype(np.float64)
    mean_x, mean_y, squares, product = sums / (rows * columns)
    means_squared, means_product = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
    brightness = (2 * means_product + _C1) / (means_squared + _C1)
    structure = (2 * (product - means_product) + _C2) / (squares - means_squared + _C2)
    return np.asarray(brightness * structure)


def _window_sums(values: NDArray[np.int32], length: int, axis: int) -> NDArray[np.int32]:
    """Sums over every run of `length` along the axis. int32 holds 49 x 2 x 255^2; running totals may wrap, and their
    difference is still right."""
    totals = np.cumsum(values, axis=axis, dtype=np.int32)
    count = values.shape[axis] - length
    first = np.take(totals, [length - 1], axis=axis)
    later = np.moveaxis(np.moveaxis(totals, axis, 0)[length:] - np.moveaxis(totals, axis, 0)[:count], 0, axis)
    return np.concatenate([first, later], axis=axis)
