"""What a model sees of a published image: a box of it, resized with an antialiased bicubic filter.

A resize is linear, so a view is two matrices, rows [S, H] and columns [S, W], with S the model's side:
`look` applies them, `pull_back` applies their transposes, which is the exact gradient on the published
pixels. No graph is kept through the resize: noise stays int8 and memory stays flat at any resolution.
The filter is Pillow's bicubic (a = -0.5), which open_clip's transforms use, without its rounding to 8 bits.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.config import Scale, Views
from mem_core.models.device import moved

_ASPECTS = (3 / 4, 4 / 3)  # torchvision's RandomResizedCrop, which open_clip uses
_TRIES = 10
_BLOCK = 32  # rows of a product that leave out the same zeros: fewer cost more calls, more cost more terms


@dataclass(frozen=True)
class Band:
    """Some rows of a batch of matrices, and the columns outside which all of these rows are zero."""

    rows: slice
    columns: slice


@dataclass(frozen=True)
class Resize:
    """matrix float32 [B, S, L] takes L pixels to S; bands cover its rows, transposed_bands those of its transpose."""

    matrix: Tensor
    bands: tuple[Band, ...]
    transposed_bands: tuple[Band, ...]

    def part(self, images: slice) -> "Resize":
        """The same for some of the images."""
        return Resize(self.matrix[images], self.bands, self.transposed_bands)


@dataclass(frozen=True)
class View:
    """One box for each image of a batch: rows [B, S, H] and columns [B, S, W]."""

    rows: Resize
    columns: Resize

    @property
    def side(self) -> int:
        """S."""
        return self.rows.matrix.shape[1]

    def part(self, images: slice) -> "View":
        """The view of some of the images."""
        return View(self.rows.part(images), self.columns.part(images))

    def look(self, pixels: Tensor) -> Tensor:
        """float32 [B, 3, H, W] -> [B, 3, S, S]."""
        lower = _along_height(self.rows.matrix, pixels, self.rows.bands)
        return _along_width(lower, self.columns.matrix, self.columns.bands)

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Gradient on the view [B, 3, S, S] -> gradient on the pixels [B, 3, H, W]."""
        taller = _along_height(self.rows.matrix.mT, gradient, self.rows.transposed_bands)
        return _along_width(taller, self.columns.matrix.mT, self.columns.transposed_bands)


def _along_height(matrix: Tensor, images: Tensor, bands: Sequence[Band]) -> Tensor:
    """[B, M, K] and [B, 3, K, W] -> [B, 3, M, W]."""
    return _joined([matrix[:, None, band.rows, band.columns] @ images[:, :, band.columns] for band in bands], dim=2)


def _along_width(images: Tensor, matrix: Tensor, bands: Sequence[Band]) -> Tensor:
    """[B, 3, H, K] and [B, M, K] -> [B, 3, H, M]: one product for all channels of an image."""
    flat = images.flatten(1, 2)
    pieces = [flat[:, :, band.columns] @ matrix[:, band.rows, band.columns].mT for band in bands]
    return _joined(pieces, dim=2).view(*images.shape[:3], matrix.shape[1])


def _joined(pieces: list[Tensor], dim: int) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=dim)


def boxes(kind: Views, height: int, width: int, count: int, scale: Scale, draw: torch.Generator) -> Tensor:
    """float64 [count, 4] of (top, left, height, width): the centred square, or open_clip's random crop."""
    if kind == "centre":
        square = min(height, width)
        top, left = (height - square) // 2, (width - square) // 2
        return torch.tensor([[top, left, square, square]], dtype=torch.float64).expand(count, 4)
    return _random_boxes(height, width, count, scale, draw)


def view_of(box: Tensor, height: int, width: int, side: int, device: torch.device) -> View:
    """The view of [B, 4] boxes in images of one size."""
    rows = _resize(box[:, 0], box[:, 2], height, side, device)
    columns = _resize(box[:, 1], box[:, 3], width, side, device)
    return View(rows, columns)


def _random_boxes(height: int, width: int, count: int, scale: Scale, draw: torch.Generator) -> Tensor:
    """RandomResizedCrop: ten tries for area and aspect; where none fits, all of the image that the aspects allow."""
    area = height * width * (scale[0] + (scale[1] - scale[0]) * torch.rand(count, _TRIES, generator=draw))
    logs = math.log(_ASPECTS[0]), math.log(_ASPECTS[1])
    aspect = torch.exp(logs[0] + (logs[1] - logs[0]) * torch.rand(count, _TRIES, generator=draw))
    tall = torch.sqrt(area / aspect).round().clamp(min=1)
    wide = torch.sqrt(area * aspect).round().clamp(min=1)
    fits = (tall <= height) & (wide <= width)
    first = fits.int().argmax(dim=1, keepdim=True)
    tall, wide = tall.gather(1, first).squeeze(1), wide.gather(1, first).squeeze(1)
    place = torch.rand(2, count, generator=draw)
    top, left = (place[0] * (height - tall + 1)).floor(), (place[1] * (width - wide + 1)).floor()
    drawn = torch.stack([top, left, tall, wide], dim=1).to(torch.float64)
    return torch.where(fits.any(dim=1, keepdim=True), drawn, _widest_box(height, width))


def _widest_box(height: int, width: int) -> Tensor:
    """The whole image; of one more elongated than 4:3, its centre at that aspect, as torchvision falls back to."""
    tall = min(height, round(width / _ASPECTS[0]))
    wide = min(width, round(height * _ASPECTS[1]))
    return torch.tensor([[(height - tall) // 2, (width - wide) // 2, tall, wide]], dtype=torch.float64)


def _resize(start: Tensor, extent: Tensor, length: int, side: int, device: torch.device) -> Resize:
    """Bicubic weights [B, side, length] that take `extent` pixels from `start` on to `side` pixels.

    Each row has a few neighbouring weights that are not zero: only those are computed, and then put in place. Where
    they lie is always found on the CPU, so that nobody waits for a GPU; a GPU then computes them, and multiplies zeros,
    which is quicker there than one call for each band.
    """
    start, extent = start[:, None, None], extent[:, None, None]
    stretch = (extent / side).clamp(min=1)  # antialiasing widens the kernel where the image shrinks
    middle = (torch.arange(side, dtype=torch.float64)[None, :, None] + 0.5) * (extent / side)
    taps = min(length, math.ceil(4 * float(stretch.max())) + 2)
    first = (middle - 2 * stretch + start).floor().clamp(0, length - taps).long()
    if device.type == "cuda":
        whole = Band(slice(0, side), slice(0, length)), Band(slice(0, length), slice(0, side))
        first, start, extent, stretch, middle = (
            moved(part, device) for part in (first, start, extent, stretch, middle)
        )
        return Resize(_weights(first, start, extent, stretch, middle, taps, length), whole[:1], whole[1:])
    begins, ends = first.amin(dim=0).flatten().tolist(), (first.amax(dim=0).flatten() + taps).tolist()
    matrix = _weights(first, start, extent, stretch, middle, taps, length).to(device)
    return Resize(matrix, _bands(begins, ends, length), _transposed_bands(begins, ends, length))


def _weights(
    first: Tensor, start: Tensor, extent: Tensor, stretch: Tensor, middle: Tensor, taps: int, length: int
) -> Tensor:
    """float32 [B, S, length], from the first pixel that counts and the middle of each view pixel, [B, S, 1]."""
    pixel = first + torch.arange(taps, device=first.device)
    offset = pixel.double() - start + 0.5
    inside = (offset > 0) & (offset < extent)
    weights = _bicubic((offset - middle) / stretch) * inside
    weights = (weights / weights.sum(dim=2, keepdim=True)).float()
    none = torch.zeros(*first.shape[:2], length, device=first.device)
    return none.scatter_(2, pixel, weights)


def _bands(begins: Sequence[int], ends: Sequence[int], length: int) -> tuple[Band, ...]:
    """begins, ends: where each row of [S, length] starts and stops to be other than zero; both rise."""
    side = len(begins)
    blocks = ((i, min(i + _BLOCK, side)) for i in range(0, side, _BLOCK))
    return tuple(Band(slice(first, last), slice(begins[first], ends[last - 1])) for first, last in blocks)


def _transposed_bands(begins: Sequence[int], ends: Sequence[int], length: int) -> tuple[Band, ...]:
    """The same for the rows of the transpose [length, S]; rows that are zero throughout keep one column."""
    side = len(begins)
    found = []
    for i in range(0, length, _BLOCK):
        first = min(bisect_right(ends, i), side - 1)
        last = bisect_left(begins, i + _BLOCK)
        found.append(Band(slice(i, min(i + _BLOCK, length)), slice(first, max(last, first + 1))))
    return tuple(found)


def _bicubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
