"""Mirrored pictures, the commonest augmentation besides cropping."""

from random import Random
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from mem_core.countermeasures.base import Countermeasure, Pixels


class Flip(Countermeasure):
    """Left and right exchanged, in each epoch for a share of the pictures."""

    every_epoch: ClassVar[bool] = True
    kind: Literal["flip"] = "flip"
    share: float = Field(0.5, ge=0, le=1)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.ascontiguousarray(pixels[:, ::-1]) if draw.random() < self.share else pixels
