"""What a model sees of a published image: a box of it, resized with an antialiased bicubic filter.

A resize is linear, so a view is two matrices, rows [S, H] and columns [S, W], with S the model's side:
`look` applies them, `pull_back` applies their transposes, which is the exact gradient on the published
pixels. No graph is kept through the resize: noise stays int8 and memory stays flat at any resolution.
The filter is Pillow's bicubic (a = -0.5), which open_clip's transforms use, without its rounding to 8 bits.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.config import Scale, Views

_ASPECTS = (3 / 4, 4 / 3)  # torchvision's RandomResizedCrop, which open_clip uses
_TRIES = 10


@dataclass(frozen=True)
class View:
    """rows float32 [B, S, H] and columns float32 [B, S, W]: one box for each image of a batch."""

    rows: Tensor
    columns: Tensor

    def look(self, pixels: Tensor) -> Tensor:
        """float32 [B, 3, H, W] -> [B, 3, S, S]."""
        return self.rows.unsqueeze(1) @ pixels @ self.columns.unsqueeze(1).transpose(-1, -2)

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Gradient on the view [B, 3, S, S] -> gradient on the pixels [B, 3, H, W]."""
        return self.rows.unsqueeze(1).transpose(-1, -2) @ gradient @ self.columns.unsqueeze(1)


def boxes(kind: Views, height: int, width: int, count: int, scale: Scale, draw: torch.Generator) -> Tensor:
    """float64 [count, 4] of (top, left, height, width): the centred square, or open_clip's random crop."""
    if kind == "centre":
        return _centre_square(height, width).expand(count, 4)
    return _random_boxes(height, width, count, scale, draw)


def view_of(box: Tensor, height: int, width: int, side: int, device: torch.device) -> View:
    """The view of [B, 4] boxes in images of one size."""
    rows = _resize_matrix(box[:, 0], box[:, 2], height, side)
    columns = _resize_matrix(box[:, 1], box[:, 3], width, side)
    return View(rows.to(device), columns.to(device))


def _centre_square(height: int, width: int) -> Tensor:
    side = min(height, width)
    return torch.tensor([[(height - side) // 2, (width - side) // 2, side, side]], dtype=torch.float64)


def _random_boxes(height: int, width: int, count: int, scale: Scale, draw: torch.Generator) -> Tensor:
    """RandomResizedCrop: ten tries for area and aspect; where none fits, the centred square."""
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
    return torch.where(fits.any(dim=1, keepdim=True), drawn, _centre_square(height, width))


def _resize_matrix(start: Tensor, extent: Tensor, length: int, side: int) -> Tensor:
    """float32 [B, side, length]: bicubic weights that take `extent` pixels from `start` on to `side` pixels."""
    ratio = (extent / side)[:, None, None]
    stretch = ratio.clamp(min=1)  # antialiasing widens the kernel where the image shrinks
    inner = (torch.arange(side, dtype=torch.float64)[None, :, None] + 0.5) * ratio
    pixel = torch.arange(length, dtype=torch.float64)[None, None, :]
    offset = pixel - start[:, None, None] + 0.5
    inside = (offset > 0) & (offset < extent[:, None, None])
    weights = _bicubic((offset - inner) / stretch) * inside
    return (weights / weights.sum(dim=2, keepdim=True)).float()


def _bicubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
