"""Keeping noise publishable: whole uint8 levels, inside the budget, inside the range of 8-bit pixels."""

import torch
from torch import Tensor


def project(noise: Tensor, clean: Tensor, epsilon_levels: int, *, out: Tensor | None = None) -> Tensor:
    """The nearest noise that can be published.

    noise: int16 or int8 [..., 3, H, W], levels of 1/255; clean: uint8 of the same shape; epsilon_levels: at most 127.
    out: where the result goes, of the noise's shape, or None for memory of its own.
    Returns int8 with |noise| <= epsilon_levels and 0 <= clean + noise <= 255 everywhere.
    """
    lowest = clean.clamp(max=epsilon_levels).view(torch.int8).neg_()
    highest = clean.bitwise_not().clamp_(max=epsilon_levels).view(torch.int8)  # of 8 bits: 255 - clean
    return torch.clamp(noise, lowest, highest, out=torch.empty_like(lowest) if out is None else out)
