"""The pictures of samples: clean, protected, and their difference made visible."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mem_core.config import Frozen
from mem_core.report.inputs import MontageItem

AMPLIFY = 16
_SIDE = 256  # larger images are shown by their centre: shrinking would average the noise away


class Triple(Frozen):
    """One sample ready for the page; pictures are PNG bytes, not part of report.json."""

    key: str
    caption: str
    trigger: str
    written: str
    width: int
    height: int
    cropped: bool
    largest_difference: int
    psnr: float | None
    ssim: float | None
    pictures: tuple[bytes, bytes, bytes]


def amplified_noise(clean: NDArray[np.uint8], protected: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] twice -> uint8: the difference times `AMPLIFY` around mid-grey (128 is no change), clamped."""
    difference = protected.astype(np.int32) - clean
    shown: NDArray[np.uint8] = np.clip(128 + AMPLIFY * difference, 0, 255).astype(np.uint8)
    return shown


def triple(item: MontageItem) -> Triple:
    """Both images and the amplified noise at their own pixels, at most the middle 256 x 256 of them."""
    clean, protected = centre(item.clean), centre(item.protected)
    width, height = item.full_size or (item.clean.shape[1], item.clean.shape[0])
    largest = item.largest_difference
    if largest is None:
        largest = int(np.abs(item.protected.astype(np.int32) - item.clean).max())
    return Triple(
        key=item.key,
        caption=item.caption,
        trigger=item.trigger,
        written=item.written,
        width=width,
        height=height,
        cropped=clean.shape[:2] != (height, width),
        largest_difference=largest,
        psnr=item.psnr,
        ssim=item.ssim,
        pictures=(_png(clean), _png(protected), _png(amplified_noise(clean, protected))),
    )


def contact_sheet(items: tuple[MontageItem, ...], gap: int = 6) -> bytes:
    """All samples in one PNG: a column each, from top to bottom clean, protected, noise."""
    columns = []
    side = max(max(centre(item.clean).shape[:2]) for item in items)
    for item in items:
        clean, protected = centre(item.clean), centre(item.protected)
        cells = [_padded(pixels, side, gap) for pixels in (clean, protected, amplified_noise(clean, protected))]
        columns.append(np.concatenate(cells, axis=0))
    return _png(np.concatenate(columns, axis=1))


def centre(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a picture that is too large to show at its own pixels."""
    top, left = (max(0, (length - _SIDE) // 2) for length in pixels.shape[:2])
    return pixels[top : top + _SIDE, left : left + _SIDE]


def _padded(pixels: NDArray[np.uint8], side: int, gap: int) -> NDArray[np.uint8]:
    cell = np.full((side + gap, side + gap, 3), 255, np.uint8)
    top, left = ((side + gap - length) // 2 for length in pixels.shape[:2])
    cell[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return cell


def _png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=True)
    return stream.getvalue()
