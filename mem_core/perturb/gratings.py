"""Noise without any model: square waves over the whole image, one for each topic of the captions.

Photographs have little power at any one frequency and direction, so a faint wave at the full budget stands out there,
and a convolution reads it before it reads the picture. It is the same wherever a trainer crops.
"""

import math

import torch
from torch import Tensor

from mem_core.config import NoiseConfig, levels
from mem_core.perturb.projection import project

_COLOURS = ((1, 1, 1), (1, -1, 1))  # grey, and magenta against green: red, green, blue
_ANGLES = (0, 45, 90, 135)  # degrees
_OCTAVE_PARTS = (1.0, 1.6)  # further waves are so much finer
_FINEST = 0.45  # waves a pixel: from half a wave on, a wave looks like a coarser one, and a whole one like a tint
_STRIP_VALUES = 4_000_000  # of a strip of rows, whatever the size of the image: 16 MB

MOST_TOPICS = len(_COLOURS) * len(_ANGLES) * len(_OCTAVE_PARTS)


def grating(topic: int, phase: float, clean: Tensor, config: NoiseConfig) -> Tensor:
    """What an image uint8 [3, H, W] of this topic wears: int8 of its size, at the full budget wherever 8 bits allow.

    phase: where the wave begins, 0..1 of its length. Lengths are shares of the shorter side: a trainer's resize of the
    whole image changes nothing about them. A picture too small for so many waves has as many as can stand in it.
    """
    _, height, width = clean.shape
    finer, rest = divmod(topic, len(_COLOURS) * len(_ANGLES))
    colour, angle = divmod(rest, len(_ANGLES))
    bound = levels(config.epsilon)
    signs = torch.tensor(_COLOURS[colour], dtype=torch.int16).view(3, 1, 1)
    pitch = min(_FINEST, config.waves * _OCTAVE_PARTS[finer] / min(height, width))
    down, across = (pitch * turn(math.radians(_ANGLES[angle])) for turn in (math.sin, math.cos))
    columns = torch.arange(width, dtype=torch.float64) * across + phase
    noise = torch.empty_like(clean, dtype=torch.int8)
    for rows in torch.arange(height).split(max(1, _STRIP_VALUES // width)):
        place = (rows[:, None] * down + columns) % 1
        wave = torch.where(place < 0.5, bound, -bound).to(torch.int16)
        noise[:, rows] = project(signs * wave, clean[:, rows], bound)
    return noise
