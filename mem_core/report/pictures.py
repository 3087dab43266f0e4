"""The pictures of samples: clean, protected, and their difference made visible."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mem_core.report.inputs import SHOWN_SIDE, MontageItem

AMPLIFY = 16


def amplified_noise(clean: NDArray[np.uint8], protected: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] twice -> uint8: the difference times `AMPLIFY` around mid-grey (128 is no change), clamped."""
    difference = protected.astype(np.int32) - clean
    shown: NDArray[np.uint8] = np.clip(128 + AMPLIFY * difference, 0, 255).astype(np.uint8)
    return shown


def triple(item: MontageItem) -> list[bytes]:
    """Clean, protected and amplified noise as PNG at their own pixels, at most the middle 256 x 256 of them."""
    return [_png(pixels) for pixels in _shown(item)]


def _shown(item: MontageItem) -> tuple[NDArray[np.uint8], ...]:
    clean, protected = centre(item.clean), centre(item.protected)
    return clean, protected, amplified_noise(clean, protected)


def contact_sheet(items: tuple[MontageItem, ...], gap: int = 6) -> bytes:
    """All samples in one PNG: a column each, from top to bottom clean, protected, noise."""
    shown = [_shown(item) for item in items]
    side = max(max(clean.shape[:2]) for clean, *_ in shown)
    columns = [np.concatenate([_padded(pixels, side, gap) for pixels in column], axis=0) for column in shown]
    return _png(np.concatenate(columns, axis=1))


def centre(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a picture that is too large to show at its own pixels."""
    top, left = (max(0, (length - SHOWN_SIDE) // 2) for length in pixels.shape[:2])
    return pixels[top : top + SHOWN_SIDE, left : left + SHOWN_SIDE]


def _padded(pixels: NDArray[np.uint8], side: int, gap: int) -> NDArray[np.uint8]:
    cell = np.full((side + gap, side + gap, 3), 255, np.uint8)
    top, left = ((side + gap - length) // 2 for length in pixels.shape[:2])
    cell[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return cell


def _png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=True)
    return stream.getvalue()
