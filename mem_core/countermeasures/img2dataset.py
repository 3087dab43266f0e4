"""The usual way into a training set: what img2dataset does to every picture it downloads, with its default settings."""

from random import Random
from typing import Literal

import numpy as np
from pydantic import Field

from mem_core.countermeasures.base import Countermeasure, Pixels
from mem_core.countermeasures.opencv import opencv
from mem_core.countermeasures.recompress import Jpeg

_WHITE = 255


class Img2dataset(Countermeasure):
    """The longer side to `side` pixels (area average down, Lanczos up), a white border to a square, JPEG.

    These are the defaults of rom1504/img2dataset's resizer: `border`, 256 pixels, quality 95, 4:2:0 chroma.
    """

    kind: Literal["img2dataset"] = "img2dataset"
    side: int = Field(256, ge=8, le=4096)
    quality: int = Field(95, ge=1, le=100)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        cv2 = opencv(self.kind)
        height, width = pixels.shape[:2]
        longer = max(height, width)
        tall, wide = (max(1, round(length * self.side / longer)) for length in (height, width))
        method = cv2.INTER_AREA if longer > self.side else cv2.INTER_LANCZOS4
        resized = cv2.resize(pixels, (wide, tall), interpolation=method)
        square = np.full((self.side, self.side, 3), _WHITE, np.uint8)
        top, left = (self.side - tall) // 2, (self.side - wide) // 2
        square[top : top + tall, left : left + wide] = resized
        return Jpeg(quality=self.quality).image(square, draw)
