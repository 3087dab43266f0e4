"""What is done to pixels: blurs, fewer colours, mirrors, compression, resizing, img2dataset's path, a purifier."""

import io
from functools import lru_cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from PIL import Image, ImageFilter
from pydantic import Field

from mem_core.common.errors import ConfigError
from mem_core.config.base import unit
from mem_core.data.images import Pixels
from mem_core.victim.countermeasures.base import Countermeasure

if TYPE_CHECKING:
    from mem_core.victim.countermeasures.purifier import Purifier


class GaussianBlur(Countermeasure):
    """Pillow's Gaussian blur. sigma: standard deviation in pixels."""

    kind: Literal["gaussian-blur"] = "gaussian-blur"
    sigma: float = Field(1.0, gt=0, le=100, description="width of the blur", json_schema_extra=unit("pixels"))

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(self.sigma)))


class MedianBlur(Countermeasure):
    """Each value becomes the median of a square of `size` pixels around it, channel by channel."""

    kind: Literal["median-blur"] = "median-blur"
    size: Literal[3, 5, 7] = Field(3, description="side of the window", json_schema_extra=unit("pixels"))

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.array(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(self.size)))


class Bilateral(Countermeasure):
    """OpenCV's bilateral filter: neighbours count by nearness and by likeness, so that edges stay.

    sigma_colour in levels of 1/255, sigma_space in pixels.
    """

    kind: Literal["bilateral"] = "bilateral"
    diameter: int = Field(
        5, ge=3, le=15, description="of the neighbourhood that is averaged", json_schema_extra=unit("pixels")
    )
    sigma_colour: float = Field(
        30.0, gt=0, le=255, description="how unlike neighbours may be", json_schema_extra=unit("uint8 levels")
    )
    sigma_space: float = Field(
        2.0, gt=0, le=50, description="how far away neighbours count", json_schema_extra=unit("pixels")
    )

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        filtered = opencv(self.kind).bilateralFilter(pixels, self.diameter, self.sigma_colour, self.sigma_space)
        return np.asarray(filtered, dtype=np.uint8)


class Grey(Countermeasure):
    """Luma alone (ITU-R 601), repeated in three channels: noise in chroma is gone."""

    kind: Literal["grey"] = "grey"

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return np.array(Image.fromarray(pixels).convert("L").convert("RGB"))


class BitDepth(Countermeasure):
    """Each channel rounded to 2^bits levels, evenly from 0 to 255."""

    kind: Literal["bit-depth"] = "bit-depth"
    bits: int = Field(4, ge=1, le=8, description="bits kept of each channel's eight", json_schema_extra=unit("bits"))

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        steps = 2**self.bits - 1
        table = np.rint(np.rint(np.arange(256) * (steps / 255)) * (255 / steps)).astype(np.uint8)
        return np.asarray(table[pixels], dtype=np.uint8)


class Flip(Countermeasure):
    """Left and right exchanged, in each epoch for a share of the pictures."""

    every_epoch: ClassVar[bool] = True
    kind: Literal["flip"] = "flip"
    share: float = Field(0.5, ge=0, le=1, description="share of the images that are mirrored")

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return pixels[:, ::-1].copy() if draw.random() < self.share else pixels


_WHITE = 255


class Img2dataset(Countermeasure):
    """The longer side to `side` pixels (area average down, Lanczos up), a white border to a square, JPEG.

    These are the defaults of rom1504/img2dataset's resizer: `border`, 256 pixels, quality 95, 4:2:0 chroma.
    """

    kind: Literal["img2dataset"] = "img2dataset"
    side: int = Field(256, ge=8, le=4096, description="side of the padded square", json_schema_extra=unit("pixels"))
    quality: int = Field(95, ge=1, le=100, description="JPEG quality")

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


def opencv(wanted_by: str) -> ModuleType:
    """The module. Raises `ConfigError` where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            f"the countermeasure {wanted_by} needs OpenCV: install opencv-python-headless, or leave it out"
        ) from error
    return cv2


_SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


class Jpeg(Countermeasure):
    """Saved as JPEG and read again. 4:2:0 halves the resolution of colour, as almost every writer does by default."""

    kind: Literal["jpeg"] = "jpeg"
    quality: int = Field(75, ge=1, le=100, description="JPEG quality")
    chroma: Literal["4:4:4", "4:2:2", "4:2:0"] = Field("4:2:0", description="chroma subsampling; 4:4:4: none")

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return _through(pixels, format="JPEG", quality=self.quality, subsampling=_SUBSAMPLING[self.chroma])


class WebP(Countermeasure):
    """Saved as lossy WebP and read again; its colour is always at half resolution."""

    kind: Literal["webp"] = "webp"
    quality: int = Field(80, ge=0, le=100, description="WebP quality")

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return _through(pixels, format="WEBP", quality=self.quality)


def _through(pixels: Pixels, **options: Any) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, **options)
    with Image.open(stream) as found:
        return np.array(found.convert("RGB"))


class DownUp(Countermeasure):
    """Both sides times `factor`, then back to their lengths, bicubic and antialiased both ways."""

    kind: Literal["down-up"] = "down-up"
    factor: float = Field(0.5, gt=0, lt=1, description="by which the image is made smaller before it grows back")

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        height, width = pixels.shape[:2]
        small = max(1, round(width * self.factor)), max(1, round(height * self.factor))
        image = Image.fromarray(pixels).resize(small, Image.Resampling.BICUBIC)
        return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


class Autoencoder(Countermeasure):
    """Pictures passed through a purifier, as the stress test trains one on pairs that this tool makes."""

    kind: Literal["autoencoder"] = "autoencoder"
    weights: str = Field(min_length=1, description="a local file that a stress test wrote: purifier.safetensors")

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return self._purifier.clean(pixels)

    @property
    def _purifier(self) -> "Purifier":
        path = Path(self.weights)
        if not path.is_file():
            raise ConfigError(f"expected the weights of a purifier in {path}, but there is no such file")
        return _loaded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int) -> "Purifier":
    from mem_core.victim.countermeasures.purifier import load_purifier

    return load_purifier(path.read_bytes(), str(path))
