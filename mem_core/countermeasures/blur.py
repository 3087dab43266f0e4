"""Blurs: linear, by rank, and one that keeps edges. All are cheap ways to take fine noise out of a picture."""

from random import Random
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter
from pydantic import Field

from mem_core.countermeasures.base import Countermeasure, Pixels
from mem_core.countermeasures.opencv import opencv


class GaussianBlur(Countermeasure):
    """Pillow's Gaussian blur. sigma: standard deviation in pixels."""

    kind: Literal["gaussian-blur"] = "gaussian-blur"
    sigma: float = Field(1.0, gt=0, le=100)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(self.sigma)))


class MedianBlur(Countermeasure):
    """Each value becomes the median of a square of `size` pixels around it, channel by channel."""

    kind: Literal["median-blur"] = "median-blur"
    size: Literal[3, 5, 7] = 3

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.array(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(self.size)))


class Bilateral(Countermeasure):
    """OpenCV's bilateral filter: neighbours count by nearness and by likeness, so that edges stay.

    sigma_colour in levels of 1/255, sigma_space in pixels.
    """

    kind: Literal["bilateral"] = "bilateral"
    diameter: int = Field(5, ge=3, le=15)
    sigma_colour: float = Field(30.0, gt=0, le=255)
    sigma_space: float = Field(2.0, gt=0, le=50)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        filtered = opencv(self.kind).bilateralFilter(pixels, self.diameter, self.sigma_colour, self.sigma_space)
        return np.asarray(filtered, dtype=np.uint8)
