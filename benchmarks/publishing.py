"""What publishing an image takes of a core: noise added, encoded, decoded and compared, PSNR, SSIM, hash.

    python -m benchmarks.publishing [--images 12]

Drawn pictures with uniform noise of +-8 levels. Beside the whole: the encoder alone, which there is no way around.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np

from benchmarks.encoders import pictures
from benchmarks.harness import Figure, alternate, print_figures, quartiles, ratios
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import ProtectConfig
from mem_core.data.images import ImageFormat, Picture, Pixels, encode_image
from mem_core.perturb.codebook import Noise
from mem_core.protect.published_image import published_image

_SIZES = ((256, 256), (375, 500))
_FORMATS: tuple[ImageFormat, ...] = ("png", "webp")


def run(*, images: int = 12, repeats: int = 5) -> list[Figure]:
    """Both formats and both sizes."""
    figures = []
    for height, width in _SIZES:
        shown = [np.ascontiguousarray(pixels[:height]) for pixels in pictures(images, max(height, width))]
        noise = [_noise(pixels, seed) for seed, pixels in enumerate(shown)]
        for image_format in _FORMATS:
            works = {
                "whole": _publishing(shown, noise, image_format),
                "encoder": _encoding(shown, noise, image_format),
            }
            times = alternate(works, repeats)
            low, middle, high = quartiles(ratios(times["whole"], times["encoder"]))
            speed = images / statistics.median(times["whole"])
            figures.append(
                Figure(
                    group="publishing",
                    name=f"{image_format}, {width} x {height} px",
                    value=middle,
                    unit=f"encoders ({speed:.0f} images/s a core)",
                    low=low,
                    high=high,
                    floor="the same encoder alone",
                )
            )
    return figures


def _noise(clean: Pixels, seed: int) -> Noise:
    """int8 of +-8 levels that leaves every pixel within 8 bits."""
    drawn = np.random.default_rng(seed).integers(-8, 9, clean.shape)
    shown = (clean.astype(np.int16) + drawn).clip(0, 255)
    return (shown - clean).astype(np.int8)


def _publishing(clean: list[Pixels], noise: list[Noise], image_format: ImageFormat) -> Callable[[], None]:
    config = ProtectConfig(image_format=image_format)

    def run() -> None:
        for pixels, added in zip(clean, noise, strict=True):
            made = published_image(Picture(pixels), added, config)
            _ = made.shown.psnr, made.shown.ssim, sha256_bytes(made.data)

    return run


def _encoding(clean: list[Pixels], noise: list[Noise], image_format: ImageFormat) -> Callable[[], None]:
    shown = [Picture(pixels + added.view(np.uint8)) for pixels, added in zip(clean, noise, strict=True)]

    def run() -> None:
        for picture in shown:
            encode_image(picture, image_format)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12)
    print_figures(run(images=parser.parse_args().images))


if __name__ == "__main__":
    main()
