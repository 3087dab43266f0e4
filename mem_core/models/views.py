"""What a model sees of a published image: a box of it, resized with an antialiased bicubic filter.

A resize is linear, so a view is two matrices, rows [S, H] and columns [S, W], with S the model's side:
`look` applies them, `pull_back` applies their transposes, which is the exact gradient on the published
pixels. No graph is kept through the resize: noise stays int8 and memory stays flat at any resolution.
The filter is Pillow's bicubic (a = -0.5), which open_clip's transforms use, without its rounding to 8 bits.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from mem_core.config import Scale, Views
from mem_core.models.device import moved

_ASPECTS = (3 / 4, 4 / 3)  # torchvision's RandomResizedCrop, which open_clip uses
_TRIES = 10
_ALL = slice(None)


@dataclass(frozen=True)
class Resize:
    """A batch of resizes from L to S pixels, matrices [B, S, L]: each of the S is a weighted sum of T neighbours.

    places: int64 [B, S, T], which of the L they are, rising; weights: float32 [B, S, T]. length: L. dense: zeros are
    multiplied as well, which is quicker on a GPU.
    """

    places: Tensor
    weights: Tensor
    length: int
    dense: bool

    def apply(self, rows: Tensor, some: slice) -> Tensor:
        """`some` of the matrices times rows [N, L, C] -> [N, S, C]."""
        if self.dense:
            return self._matrix[some] @ rows
        return _weighted_sums(rows, self.places[some], self.weights[some])

    def apply_transposed(self, rows: Tensor, some: slice) -> Tensor:
        """`some` of the transposes times rows [N, S, C] -> [N, L, C]."""
        if self.dense:
            return self._matrix[some].mT @ rows
        places, weights = self._transposed
        return _weighted_sums(rows, places[some], weights[some])

    @cached_property
    def _matrix(self) -> Tensor:
        none = torch.zeros(*self.places.shape[:2], self.length, device=self.weights.device)
        return none.scatter_(2, self.places, self.weights)

    @cached_property
    def _transposed(self) -> tuple[Tensor, Tensor]:
        """Places among the S and weights, [B, L, U]: those that a pixel has a part in lie side by side, too."""
        count, side, taps = self.places.shape
        counts = self.weights != 0
        first = self.places.where(counts, self.length).amin(dim=2).flip(1).cummin(dim=1).values.flip(1)
        last = self.places.where(counts, -1).amax(dim=2).cummax(dim=1).values
        pixel = torch.arange(self.length).expand(count, -1).contiguous()
        begin, end = torch.searchsorted(last, pixel), torch.searchsorted(first, pixel, right=True)
        most = max(1, int((end - begin).max()))
        places = begin.clamp(max=side - most)[..., None] + torch.arange(most)
        tap = pixel[..., None] - self.places[..., 0].gather(1, places.flatten(1)).view_as(places)
        known = places * taps + tap.clamp(0, taps - 1)
        weights = self.weights.flatten(1).gather(1, known.flatten(1)).view_as(places)
        return places, weights.where((tap >= 0) & (tap < taps), 0)


def _weighted_sums(rows: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """[N, K, C] with [N, M, T] twice -> [N, M, C]: T rows each, added one after the other.

    So the last bits of an image depend on nothing but the image itself.
    """
    count, length, _ = rows.shape
    if count > 1:
        places = places + torch.arange(0, count * length, length)[:, None, None]
    table, shares = rows.flatten(0, 1), weights.flatten(0, 1)
    found: Tensor = embedding_bag(places.flatten(0, 1), table, per_sample_weights=shares, mode="sum")
    return found.view(count, -1, found.shape[1])


@dataclass(frozen=True)
class View:
    """One box for each image of a batch, as resizes of its height and its width to S pixels.

    Pixels are [N, H, 3, W], so that a resize of the height takes whole rows of all channels. `some`: which N of the
    images of the batch they are.
    """

    rows: Resize
    columns: Resize

    @property
    def side(self) -> int:
        """S."""
        return self.rows.places.shape[1]

    def look(self, pixels: Tensor, some: slice = _ALL) -> Tensor:
        """float32 [N, H, 3, W] -> [N, 3, S, S]."""
        count, _, channels, width = pixels.shape
        lower = self.rows.apply(pixels.flatten(2), some).view(count, -1, width)
        seen = self.columns.apply(lower.mT.contiguous(), some)
        return seen.view(count, self.side, self.side, channels).permute(0, 3, 2, 1)

    def pull_back(self, gradient: Tensor, some: slice = _ALL) -> Tensor:
        """Gradient on the view [N, 3, S, S] -> gradient on the pixels [N, H, 3, W]."""
        count, channels, side, _ = gradient.shape
        wider = self.columns.apply_transposed(gradient.permute(0, 3, 2, 1).flatten(2), some)
        taller = self.rows.apply_transposed(wider.mT.reshape(count, side, -1), some)
        return taller.view(count, -1, channels, wider.shape[1])


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
    """Bicubic weights that take `extent` of `length` pixels, from `start` on, to `side` pixels.

    Which pixels count is always found on the CPU, so that nobody waits for a GPU; CUDA then computes their weights.
    """
    start, extent = start[:, None, None], extent[:, None, None]
    stretch = (extent / side).clamp(min=1)  # antialiasing widens the kernel where the image shrinks
    middle = (torch.arange(side, dtype=torch.float64)[None, :, None] + 0.5) * (extent / side)
    taps = min(length, math.ceil(4 * float(stretch.max())) + 2)
    first = (middle - 2 * stretch + start).floor().clamp(0, length - taps).long()
    if device.type == "cuda":
        first, start, extent, stretch, middle = (moved(t, device) for t in (first, start, extent, stretch, middle))
    places = first + torch.arange(taps, device=first.device)
    offset = places.double() - start + 0.5
    inside = (offset > 0) & (offset < extent)
    weights = _bicubic((offset - middle) / stretch) * inside
    weights = (weights / weights.sum(dim=2, keepdim=True)).float()
    return Resize(places.to(device), weights.to(device), length, dense=device.type != "cpu")


def _bicubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = x.abs()
    near = (1.5 * x).sub_(2.5).mul_(x).mul_(x).add_(1)
    far = (-0.5 * x).add_(2.5).mul_(x).sub_(4).mul_(x).add_(2)
    return torch.where(x < 1, near, far.mul_(x < 2))
