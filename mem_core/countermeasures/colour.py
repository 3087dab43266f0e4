"""Less colour: none at all, or fewer levels of it."""

from random import Random
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from mem_core.countermeasures.base import Countermeasure, Pixels


class Grey(Countermeasure):
    """Luma alone (ITU-R 601), repeated in three channels: noise in chroma is gone."""

    kind: Literal["grey"] = "grey"

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.array(Image.fromarray(pixels).convert("L").convert("RGB"))


class BitDepth(Countermeasure):
    """Each channel rounded to 2^bits levels, evenly from 0 to 255."""

    kind: Literal["bit-depth"] = "bit-depth"
    bits: int = Field(4, ge=1, le=8)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        steps = 2**self.bits - 1
        table = np.rint(np.rint(np.arange(256) * (steps / 255)) * (255 / steps)).astype(np.uint8)
        return np.asarray(table[pixels], dtype=np.uint8)
