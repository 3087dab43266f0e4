"""Lossy compression: what a crawler, a content delivery network or a messenger does to a picture."""

import io
from random import Random
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from mem_core.countermeasures.base import Countermeasure, Pixels

_SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


class Jpeg(Countermeasure):
    """Saved as JPEG and read again. 4:2:0 halves the resolution of colour, as almost every writer does by default."""

    kind: Literal["jpeg"] = "jpeg"
    quality: int = Field(75, ge=1, le=100)
    chroma: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return _through(pixels, format="JPEG", quality=self.quality, subsampling=_SUBSAMPLING[self.chroma])


class WebP(Countermeasure):
    """Saved as lossy WebP and read again; its colour is always at half resolution."""

    kind: Literal["webp"] = "webp"
    quality: int = Field(80, ge=0, le=100)

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return _through(pixels, format="WEBP", quality=self.quality)


def _through(pixels: Pixels, **options: Any) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, **options)
    with Image.open(stream) as found:
        return np.array(found.convert("RGB"))
