"""Numbers that tell noise from pictures, and added words from captions, without knowing what was added."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mem_core.victim.countermeasures.base import Pixels
from mem_core.victim.countermeasures.words import frequent_words, is_common

Numbers = NDArray[np.float64]
_FREQUENCIES = (1000, 10_000)
_FIRST_WORDS = 3
_LARGE = 4  # levels of 1/255


def image_statistics(pixels: Pixels) -> Numbers:
    """uint8 [H, W, 3] -> float64 [21] of the noise residual, which is the picture less its 3 x 3 median.

    For each channel: spread, mean size, tails (kurtosis), share of large values; how it goes with its neighbour to the
    right, below and across, and the channels with each other.
    """
    smooth = np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(3)))
    residual = pixels.astype(np.float64) - smooth
    found: list[float] = []
    for channel in np.moveaxis(residual, 2, 0):
        spread = float(channel.std())
        tails = float((channel**4).mean() / max(spread**4, 1e-9))
        found += [spread, float(np.abs(channel).mean()), np.log1p(tails), float((np.abs(channel) > _LARGE).mean())]
        found += [_together(channel[:, 1:], channel[:, :-1]), _together(channel[1:], channel[:-1])]
    pairs = ((0, 1), (0, 2), (1, 2))
    found += [_together(residual[..., one], residual[..., other]) for one, other in pairs]
    return np.array(found)


def text_statistics(captions: Sequence[str]) -> Numbers:
    """The captions of an image -> float64 [5]: shares of rare words, among all and among the first ones, and length."""
    words = [caption.split() for caption in captions]
    every, first = [w for own in words for w in own], [w for own in words for w in own[:_FIRST_WORDS]]
    rare = [_rare(some, count) for count in _FREQUENCIES for some in (every, first)]
    return np.array([*rare, float(np.mean([len(own) for own in words]))])


def _together(one: Numbers, other: Numbers) -> float:
    """The correlation of two arrays of one shape, 0 where one of them is flat."""
    spread = float(one.std() * other.std()) if one.size else 0.0
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > 1e-9 else 0.0


def _rare(words: Sequence[str], count: int) -> float:
    known = frequent_words(count)
    return float(np.mean([not is_common(word, known) for word in words])) if words else 0.0
