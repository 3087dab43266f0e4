"""Lossless encoders on noised pictures: speed over the one that is used, and what a file takes of the raw pixels.

    python -m benchmarks.encoders [--side 256] [--images 12]

Drawn pictures with uniform noise of +-8 levels, which is what a published image holds. PNG by Pillow (zlib) and by
OpenCV (its own libpng and zlib), lossless WebP by Pillow.
"""

import argparse
import io
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.harness import Figure, alternate, print_figures, quartiles, ratios
from benchmarks.memory import make_corpus
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.images import Picture, Pixels, encode_image
from mem_core.data.shard_cache import load_shard

Encoder = Callable[[Pixels], bytes]


def _pillow(**options: object) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, **options)  # type: ignore[arg-type]
        return stream.getvalue()

    return encode


def _opencv(level: int, strategy: int) -> Encoder:
    options = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, strategy]

    def encode(pixels: Pixels) -> bytes:
        done, data = cv2.imencode(".png", pixels[..., ::-1], options)
        assert done
        return data.tobytes()

    return encode


ENCODERS: dict[str, Encoder] = {
    "png, as published": lambda pixels: encode_image(Picture(pixels), "png"),
    "png level 1": _pillow(format="PNG", compress_level=1),
    "png level 6": _pillow(format="PNG", compress_level=6),
    "png OpenCV level 1, RLE": _opencv(1, cv2.IMWRITE_PNG_STRATEGY_RLE),
    "png OpenCV, Huffman only": _opencv(1, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    "webp, as published": lambda pixels: encode_image(Picture(pixels), "webp"),
    "webp method 0": _pillow(format="WEBP", lossless=True, exact=True, method=0, quality=0),
}


def pictures(images: int, side: int) -> list[Pixels]:
    """Drawn pictures with noise inside the range of 8 bits."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder) / "clean", images, images, side)
        shard = load_shard(LocalFolder(Path(folder) / "clean" / "train"), "00000", side * side)
    clean = [picture.pixels.astype(np.int16) for picture in shard.pictures]
    return [(pixels + random.integers(-8, 9, pixels.shape)).clip(0, 255).astype(np.uint8) for pixels in clean]


def run(*, images: int = 12, side: int = 256, repeats: int = 5) -> list[Figure]:
    """Every encoder on the same pictures, alternating; all are read back and compared first."""
    shown = pictures(images, side)
    shares = {}
    for name, encode in ENCODERS.items():
        files = [encode(pixels) for pixels in shown]
        for file, pixels in zip(files, shown, strict=True):
            if not np.array_equal(np.asarray(Image.open(io.BytesIO(file)).convert("RGB")), pixels):
                raise AssertionError(f"expected {name} to be lossless")
        shares[name] = sum(map(len, files)) / sum(pixels.nbytes for pixels in shown)
    times = alternate({name: _all(encode, shown) for name, encode in ENCODERS.items()}, repeats)
    figures = []
    for name in ENCODERS:
        low, middle, high = quartiles(ratios(times["png, as published"], times[name]))
        speed = images / statistics.median(times[name])
        unit = f"x ({speed:.0f} images/s, {shares[name]:.2f} of raw)"
        floor = f"png, as published; {side} px"
        figures.append(
            Figure(group="encoder speed", name=name, value=middle, unit=unit, low=low, high=high, floor=floor)
        )
    return figures


def _all(encode: Encoder, shown: list[Pixels]) -> Callable[[], object]:
    return lambda: [encode(pixels) for pixels in shown]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--images", type=int, default=12)
    given = parser.parse_args()
    print_figures(run(images=given.images, side=given.side))


if __name__ == "__main__":
    main()
