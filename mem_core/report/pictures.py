"""The pictures of samples: clean, protected, and their difference made visible."""

import io
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mem_core.report.inputs import SHOWN_SIDE, MontageItem

AMPLIFY = 16
_NARROWEST = 112  # pixels of a column of the sheet: fifteen letters of a file's name
_MOST_LETTERS = 400
_LINES, _LINE_HEIGHT, _INK = 2, 15, (29, 35, 43)


def amplified_noise(clean: NDArray[np.uint8], protected: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] twice -> uint8: the difference times `AMPLIFY` around mid-grey (128 is no change), clamped."""
    difference = protected.astype(np.int32) - clean
    shown: NDArray[np.uint8] = np.clip(128 + AMPLIFY * difference, 0, 255).astype(np.uint8)
    return shown


def triple(item: MontageItem) -> list[bytes]:
    """Clean, protected and amplified noise as PNG at their own pixels, at most the middle 256 x 256 of them."""
    return [_png(pixels) for pixels in _shown(item)]


def _shown(item: MontageItem, side: int = SHOWN_SIDE) -> tuple[NDArray[np.uint8], ...]:
    clean, protected = centre(item.clean, side), centre(item.protected, side)
    return clean, protected, amplified_noise(clean, protected)


def contact_sheet(items: tuple[MontageItem, ...], gap: int = 6, side: int = SHOWN_SIDE) -> bytes:
    """All samples in one PNG: a column each, from top to bottom clean, protected, noise, and its name.

    side: pixels of the middle that are shown, at most.
    """
    shown = [_shown(item, side) for item in items]
    height = max(clean.shape[0] for clean, *_ in shown) + gap
    width = max(_NARROWEST, *(clean.shape[1] for clean, *_ in shown)) + gap
    columns = [
        np.concatenate([*(_padded(pixels, height, width) for pixels in column), _label(item.called, width)], axis=0)
        for item, column in zip(items, shown, strict=True)
    ]
    return _png(np.concatenate(columns, axis=1))


def _label(name: str, width: int) -> NDArray[np.uint8]:
    """The name in its lines; of a long one the end, as folders come first."""
    label = Image.new("RGB", (width, _LINES * _LINE_HEIGHT + 4), "white")
    draw = ImageDraw.Draw(label)
    for number, line in enumerate(_lines("".join(c if c.isprintable() else "?" for c in name), width - 4)):
        draw.text((2, number * _LINE_HEIGHT), line, fill=_INK, font=_font())
    return np.asarray(label)


def _lines(name: str, width: int) -> list[str]:
    """What fits into so many pixels a line; "…" stands for a start that does not."""
    name = name[-_MOST_LETTERS:]
    if whole := _wrapped(name, width):
        return whole
    start = next(n for n in range(1, len(name)) if _wrapped(f"…{name[n:]}", width))
    return _wrapped(f"…{name[start:]}", width)


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines, nothing if it needs more of them than there are."""
    lines = [""]
    for letter in text:
        if _font().getlength(lines[-1] + letter) > width:
            lines.append("")
        lines[-1] += letter
        if len(lines) > _LINES:
            return []
    return lines


@cache
def _font() -> ImageFont.FreeTypeFont:
    """The one that the charts have, too."""
    file = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(str(file), 11, layout_engine=ImageFont.Layout.BASIC)


def centre(pixels: NDArray[np.uint8], side: int = SHOWN_SIDE) -> NDArray[np.uint8]:
    """The middle of a picture that is too large to show at its own pixels."""
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _padded(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    cell = np.full((height, width, 3), 255, np.uint8)
    top, left = ((room - length) // 2 for room, length in zip(cell.shape, pixels.shape[:2], strict=False))
    cell[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return cell


def _png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=True)
    return stream.getvalue()
