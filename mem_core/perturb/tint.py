"""A soft field of colour over a whole image, drawn for each image alone: noise that a model remembers it by.

Made for evidence: of all noise within the budget, what is coarse is remembered best, and no resize, crop or JPEG takes
it away. Whole numbers in float64 and one division, so that every machine makes the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

from mem_core.common.draws import integers
from mem_core.data.images import Pixels
from mem_core.perturb.codebook import Noise

Field = NDArray[np.float64]

_STEEPNESS = 4  # the field is so much steeper than from corner to corner, and level where it is at the full budget


def tint(clean: Pixels, bound: int, seed: int, shard: str, key: str) -> Noise:
    """The field for one image, uint8 [H, W, 3]: int8 of its size, at most `bound` levels, where 8 bits allow.

    Each corner is at the bound above or below, in each channel by a coin of its own, and what lies between goes from
    one to the other.
    """
    height, width, channels = clean.shape
    corners = 2.0 * np.array(integers(2, 4 * channels, seed, "tint", shard, key)).reshape(2, 2, channels) - 1
    rows = _between(corners, height)
    field = _between(rows.transpose(1, 0, 2), width)  # [W, H, 3]
    field *= bound * _STEEPNESS
    field /= 4 * height * width
    noise = np.clip(field, -bound, bound, out=field).astype(np.int8).transpose(1, 0, 2)
    lowest, highest = np.minimum(clean, bound).view(np.int8), np.minimum(~clean, bound).view(np.int8)
    return np.minimum(np.maximum(noise, -lowest), highest)


def _between(ends: Field, size: int) -> Field:
    """A straight line along the first axis from end to end, at the middles of `size` pixels; times 2 * size."""
    place = (2.0 * np.arange(size) + 1)[:, None, None]
    return np.asarray(ends[0] * (2 * size - place) + ends[1] * place)
