"""UAP: the pattern raises the loss, within the budget, and is publishable at any size."""

from itertools import cycle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.config import NoiseConfig
from mem_core.models import OpenClipEncoder, Tokenizer
from mem_core.models.loss import contrastive_loss
from mem_core.perturb.universal import pattern_noise, raise_loss


def test_the_pattern_raises_the_loss(encoder: OpenClipEncoder, tokenizer: Tokenizer) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(6, 3, 32, 32, generator=draw)
    tokens = tokenizer.encode([f"picture number {i} of a thing" for i in range(6)])
    config = NoiseConfig(epsilon=8 / 255, step_size=2 / 255)
    stream = cycle([(images, tokens)])
    pattern = raise_loss(torch.zeros(3, 32, 32), stream, 12, encoder, config, torch.float32)

    def loss(seen: torch.Tensor) -> float:
        with torch.no_grad():
            texts = encoder.encode_text(tokens)
            return float(contrastive_loss(encoder.encode_image(seen), texts, encoder.logit_scale))

    assert loss((images + pattern / 255).clamp(0, 1)) > loss(images) + 0.002
    assert float(pattern.abs().max()) <= 8
    assert torch.equal(pattern, pattern.round())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 64), st.integers(1, 50), st.integers(1, 50), st.integers(0, 2**31))
def test_the_published_pattern_stays_in_the_ball_at_any_size(epsilon: int, height: int, width: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    config = NoiseConfig(epsilon=epsilon / 255, step_size=1 / 255)
    pattern = torch.randint(-epsilon, epsilon + 1, (3, 32, 32), generator=draw).float()
    clean = torch.randint(0, 256, (3, height, width), generator=draw, dtype=torch.uint8)
    noise = pattern_noise(pattern, clean, config)
    total = clean.to(torch.int16) + noise
    assert noise.shape == clean.shape
    assert int(noise.to(torch.int16).abs().max()) <= config.epsilon_levels
    assert 0 <= int(total.min()) <= int(total.max()) <= 255


def test_at_the_models_own_size_the_pattern_is_published_as_it_is() -> None:
    pattern = torch.randint(-8, 9, (3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    clean = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    assert torch.equal(pattern_noise(pattern, clean, NoiseConfig()).float(), pattern)


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_take_only_what_fits(value: int) -> None:
    clean = torch.full((3, 8, 8), value, dtype=torch.uint8)
    noise = pattern_noise(torch.full((3, 32, 32), -8.0), clean, NoiseConfig())
    assert int(noise.min()) == (0 if value == 0 else -8)
