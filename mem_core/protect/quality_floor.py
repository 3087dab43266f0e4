"""The quality budget of an image: noise that is too visible is scaled back level by level, or the sample fails.

Scaling to `kept` of epsilon levels: every value n of the noise becomes n * kept / epsilon, rounded toward zero, so
whole levels stay whole, nothing changes its sign, and what the pixels' range allowed is still allowed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mem_core.common.errors import ImageError
from mem_core.config.protect import QualityConfig
from mem_core.data.image_quality import keeps_floors, psnr, ssim
from mem_core.data.images import Picture, Pixels
from mem_core.perturb.projection import published_pixels


@dataclass(frozen=True)
class ScaledNoise:
    """Pixels to publish and how they compare with the clean ones. levels: the budget that the noise was left with."""

    pixels: Pixels
    psnr: float
    ssim: float
    levels: int


def within_budget(clean: Picture, noise: Tensor, epsilon_levels: int, config: QualityConfig) -> ScaledNoise:
    """The image with the most noise that keeps the floors: all of it, or scaled to the first of epsilon - 1, ..., 1
    levels that does. noise: int8 [3, H, W].

    Raises `ImageError` if one level is still too much, or rounds to nothing: less protection than that is none.
    """
    shown = _published(clean, noise)
    for kept in range(epsilon_levels, 0, -1):
        if kept < epsilon_levels:
            left = scaled_back(noise, kept, epsilon_levels)
            if not left.any():
                break
            shown = _published(clean, left)
        near = psnr(clean.pixels, shown)
        if not keeps_floors(near, 1.0, config):
            continue  # without SSIM, which takes ten times as long
        alike = ssim(clean.pixels, shown)
        if keeps_floors(near, alike, config):
            return ScaledNoise(shown, near, alike, kept)
    near, alike = psnr(clean.pixels, shown), ssim(clean.pixels, shown)
    raise ImageError(
        f"expected {_floors(config)}, but even the least of this noise has {near:.2f} dB and SSIM {alike:.4f}: "
        "lower the floor, or leave the sample out",
        code="over-budget",
    )


def scaled_back(noise: Tensor, kept: int, epsilon_levels: int) -> Tensor:
    """int8 noise of any shape with |values| <= epsilon_levels -> the same scaled to `kept` levels, toward zero."""
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int32)
    table = (np.sign(values) * (np.abs(values) * kept // epsilon_levels)).astype(np.int8)
    return torch.from_numpy(table[noise.numpy().view(np.uint8)])  # a table: no copy in wider numbers


def _published(clean: Picture, noise: Tensor) -> Pixels:
    pixels = published_pixels(torch.from_numpy(clean.pixels).permute(2, 0, 1), noise)
    return pixels.permute(1, 2, 0).contiguous().numpy()


def _floors(config: QualityConfig) -> str:
    wanted = [f"a PSNR of at least {config.min_psnr:g} dB"] if config.min_psnr is not None else []
    wanted += [f"an SSIM of at least {config.min_ssim:g}"] if config.min_ssim is not None else []
    return " and ".join(wanted)
