"""A batch of images at their own resolutions, with their noise."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.config import CENTRE, ViewConfig
from mem_core.models.device import moved, stacked
from mem_core.models.views import View, boxes, view_of

_MAX_GROUP_VALUES = 64_000_000  # float32 copies of a group stay below 256 MB, but for a single image that is larger
_CACHE_VALUES = 400_000  # on a CPU a step goes piece by piece, so that float copies stay in the cache (1.6 MB)


@dataclass
class SizeGroup:
    """Images of one size: their places in the batch [n], clean uint8 and noise int8 [n, H, 3, W]."""

    places: Tensor
    clean: Tensor
    noise: Tensor

    def pieces(self) -> Iterator[slice]:
        """All images of the group, a few at a time where that is faster."""
        count, *shape = self.clean.shape
        return _pieces(count, math.prod(shape)) if self.clean.device.type == "cpu" else iter([slice(0, count)])


class PixelBatch:
    """What PGD works on: published pixels that a model looks at through views.

    clean: uint8 [3, H, W] each, noise: int8 of the same sizes, or None for no noise. Sizes may differ from
    image to image.
    """

    def __init__(self, clean: Sequence[Tensor], noise: Sequence[Tensor] | None, device: torch.device) -> None:
        self._device = device
        self.groups = []
        for places in _places_by_size(clean):
            own = stacked([clean[i].transpose(0, 1) for i in places], device)
            if noise is None:
                added = torch.zeros(1, dtype=torch.int8, device=device).expand(own.shape)
            else:
                added = stacked([noise[i].transpose(0, 1) for i in places], device)
            self.groups.append(SizeGroup(moved(torch.tensor(places), device), own, added))
        self._count = len(clean)

    def draw_views(self, config: ViewConfig, side: int, draw: torch.Generator) -> list[View]:
        """One view for every image."""
        drawn = []
        for group in self.groups:
            count, height, _, width = group.clean.shape
            box = boxes(config.kind, height, width, count, config.crop_scale, draw)
            drawn.append(view_of(box, height, width, side, self._device))
        return drawn

    def look(self, views: Sequence[View]) -> Tensor:
        """The noisy images as the model sees them, float32 [B, 3, S, S] in about 0..1."""
        side = views[0].side
        seen = torch.empty(self._count, 3, side, side, device=self._device)
        for group, view in zip(self.groups, views, strict=True):
            for piece in group.pieces():
                # Projected noise keeps the sum within 8 bits; a sum of two types would take thirty times as long.
                pixels = (group.clean[piece] + group.noise[piece].view(torch.uint8)).float()
                seen.index_copy_(0, group.places[piece], view.look(pixels, piece))
        return seen.div_(255)

    def noise(self) -> list[Tensor]:
        """The noise of every image, int8 [3, H, W] on the CPU, in the order of the batch."""
        found: list[Tensor] = [torch.empty(0)] * self._count
        for group in self.groups:
            by_channel = group.noise.transpose(1, 2).contiguous().cpu()
            for place, noise in zip(group.places.tolist(), by_channel, strict=True):
                found[place] = noise
        return found


def seen_once(
    pixels: Sequence[Tensor],
    config: ViewConfig,
    side: int,
    draw: torch.Generator,
    device: torch.device,
    noise: Sequence[Tensor] | None = None,
) -> Tensor:
    """Images that are looked at once, uint8 [3, H, W] each, through one view each: float32 [B, 3, S, S] in about 0..1.

    As a `PixelBatch` with this noise, int8 of the same sizes, shows them. On a CPU no copy of the whole batch is made.
    """
    if device.type != "cpu":
        batch = PixelBatch(pixels, noise, device)
        return batch.look(batch.draw_views(config, side, draw))
    seen = torch.empty(len(pixels), 3, side, side)
    for places in _places_by_size(pixels):
        _, height, width = pixels[places[0]].shape
        box = boxes(config.kind, height, width, len(places), config.crop_scale, draw)
        view = view_of(box, height, width, side, device)
        for piece in _pieces(len(places), 3 * height * width):
            shown = _together([pixels[place] for place in places[piece]])
            if noise is not None:
                shown = shown + _together([noise[place] for place in places[piece]]).view(torch.uint8)
            seen[places[piece]] = view.look(shown.float(), piece)
    return seen.div_(255)


def seen_at_centre(pixels: Sequence[Tensor], side: int, device: torch.device) -> Tensor:
    """Images, uint8 [3, H, W] each, as a model is queried with them: float32 [B, 3, S, S] in about 0..1."""
    return seen_once(pixels, CENTRE, side, torch.Generator(), device)


def _together(images: Sequence[Tensor]) -> Tensor:
    """[3, H, W] each -> [n, H, 3, W]; a single one shares its memory."""
    rows = [image.transpose(0, 1) for image in images]
    return rows[0][None] if len(rows) == 1 else torch.stack(rows)


def _pieces(count: int, values: int) -> Iterator[slice]:
    """Places 0..count-1, as many at a time as keep float copies of `values` numbers each in a CPU's cache."""
    size = max(1, _CACHE_VALUES // values)
    for start in range(0, count, size):
        yield slice(start, start + size)


def _places_by_size(images: Sequence[Tensor]) -> list[list[int]]:
    """Places of images of one size together, in pieces that bound the memory of their float copies."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        by_size.setdefault(tuple(image.shape), []).append(place)
    pieces = []
    for (_, height, width), places in by_size.items():
        most = max(1, _MAX_GROUP_VALUES // (3 * height * width))
        pieces += [places[start : start + most] for start in range(0, len(places), most)]
    return pieces
