"""Smaller and back again: high frequencies go, and with them fine noise."""

from random import Random
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from mem_core.countermeasures.base import Countermeasure, Pixels


class DownUp(Countermeasure):
    """Both sides times `factor`, then back to their lengths, bicubic and antialiased both ways."""

    kind: Literal["down-up"] = "down-up"
    factor: float = Field(0.5, gt=0, lt=1)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        height, width = pixels.shape[:2]
        small = max(1, round(width * self.factor)), max(1, round(height * self.factor))
        image = Image.fromarray(pixels).resize(small, Image.Resampling.BICUBIC)
        return np.array(image.resize((width, height), Image.Resampling.BICUBIC))
