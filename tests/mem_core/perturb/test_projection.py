"""Noise never leaves the ball, nor the range of 8-bit pixels."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.perturb.projection import project


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**20), epsilon=st.integers(1, 64))
def test_projected_noise_is_publishable_and_nearest(seed: int, epsilon: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    clean = torch.randint(0, 256, (3, 5, 7), generator=draw, dtype=torch.uint8)
    wild = torch.randint(-500, 500, (3, 5, 7), generator=draw, dtype=torch.int16)
    noise = project(wild, clean, epsilon)
    assert noise.dtype == torch.int8
    assert int(noise.abs().max()) <= epsilon
    slow = [
        min((d for d in range(-epsilon, epsilon + 1) if 0 <= int(c) + d <= 255), key=lambda d, w=int(w): abs(d - w))
        for c, w in zip(clean.flatten(), wild.flatten(), strict=True)
    ]
    assert noise.flatten().tolist() == slow
