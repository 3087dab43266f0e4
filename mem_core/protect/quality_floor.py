"""The quality budget of an image: noise that is too visible is scaled back level by level, or the sample fails.

Scaling to `kept` of epsilon levels: every value n of the noise becomes n * kept / epsilon, rounded toward zero, so
whole levels stay whole, nothing changes its sign, and what the pixels' range allowed is still allowed.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mem_core.common.errors import ImageError
from mem_core.config.protect import QualityConfig
from mem_core.data.image_quality import keeps_floors, psnr, ssim
from mem_core.data.images import Picture, Pixels
from mem_core.perturb.codebook import Noise

_ROWS = 64  # that are compared at once: images may be large


@dataclass(frozen=True)
class ScaledNoise:
    """Pixels to publish, the clean ones, and the budget that the noise was left with, in levels.

    How the two compare is computed when it is asked for: SSIM takes longer than all the rest.
    """

    pixels: Pixels
    clean: Pixels
    levels: int

    @cached_property
    def psnr(self) -> float:
        return psnr(self.clean, self.pixels)

    @cached_property
    def ssim(self) -> float:
        return ssim(self.clean, self.pixels)

    def keeps(self, config: QualityConfig) -> bool:
        """Whether the image is as near to the clean one as is asked for."""
        if config.min_psnr is not None and not keeps_floors(self.psnr, 1.0, config):
            return False
        return config.min_ssim is None or keeps_floors(math.inf, self.ssim, config)


def within_budget(clean: Picture, noise: Noise, epsilon_levels: int, config: QualityConfig) -> ScaledNoise:
    """The image with the most noise that keeps the floors: all of it, or scaled to the first of epsilon - 1, ..., 1
    levels that does. noise: int8 [H, W, 3].

    Raises `ImageError` if one level is still too much, or rounds to nothing: less protection than that is none.
    """
    shown = ScaledNoise(published_pixels(clean.pixels, noise), clean.pixels, epsilon_levels)
    for kept in range(epsilon_levels, 0, -1):
        if kept < epsilon_levels:
            left = scaled_back(noise, kept, epsilon_levels)
            if not left.any():
                break
            shown = ScaledNoise(published_pixels(clean.pixels, left), clean.pixels, kept)
        if shown.keeps(config):
            return shown
    raise ImageError(
        f"expected {_floors(config)}, but even the least of this noise has {shown.psnr:.2f} dB and SSIM "
        f"{shown.ssim:.4f}: lower the floor, or leave the sample out",
        code="over-budget",
    )


def scaled_back(noise: Noise, kept: int, epsilon_levels: int) -> Noise:
    """int8 noise of any shape with |values| <= epsilon_levels -> the same scaled to `kept` levels, toward zero."""
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int32)
    table: Noise = (np.sign(values) * (np.abs(values) * kept // epsilon_levels)).astype(np.int8)
    return np.take(table, noise.view(np.uint8))  # a table: no copy in wider numbers


def published_pixels(clean: Pixels, noise: Noise) -> Pixels:
    """uint8 clean + int8 noise -> uint8. The noise must have been projected: no clamp hides a mistake here."""
    total: Pixels = clean + noise.view(np.uint8)  # in 8 bits, which wrap around where the sum leaves them
    for first in range(0, len(clean), _ROWS):
        rows = slice(first, first + _ROWS)
        if ((total[rows] >= clean[rows]) != (noise[rows] >= 0)).any():
            raise ValueError("noise leaves the range of 8-bit pixels: project it first")
    return total


def _floors(config: QualityConfig) -> str:
    wanted = [f"a PSNR of at least {config.min_psnr:g} dB"] if config.min_psnr is not None else []
    wanted += [f"an SSIM of at least {config.min_ssim:g}"] if config.min_ssim is not None else []
    return " and ".join(wanted)
