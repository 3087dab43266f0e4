"""Waves of a codebook: at the full budget, publishable, of their frequency at any size, and unlike each other."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mem_core.config import NoiseConfig
from mem_core.perturb import codebook as gratings
from mem_core.perturb.codebook import MOST_TOPICS, grating
from mem_core.perturb.projection import project

CONFIG = NoiseConfig()
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def grey(height: int, width: int, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def as_torch_drew_it(topic: int, phase: float, clean: Tensor, config: NoiseConfig) -> Tensor:
    """The first version's formula, uint8 [3, H, W] -> int8, whose rounding every published byte keeps to."""
    _, height, width = clean.shape
    finer, rest = divmod(topic, 8)
    colour, angle = divmod(rest, 4)
    signs = torch.tensor(((1, 1, 1), (1, -1, 1))[colour], dtype=torch.int16).view(3, 1, 1)
    pitch = min(0.45, config.waves * (1.0, 1.6)[finer] / min(height, width))
    down, across = (pitch * turn(math.radians((0, 45, 90, 135)[angle])) for turn in (math.sin, math.cos))
    columns = torch.arange(width, dtype=torch.float64) * across + phase
    place = (torch.arange(height)[:, None] * down + columns) % 1
    wave = torch.where(place < 0.5, config.epsilon_levels, -config.epsilon_levels).to(torch.int16)
    return project(signs * wave, clean, config.epsilon_levels)


@given(
    topic=st.integers(0, MOST_TOPICS - 1),
    phase=st.integers(0, 2**24 - 1),
    size=sizes | st.sampled_from([(256, 256), (375, 500), (1, 3000), (700, 3)]),
    epsilon=st.sampled_from([1, 8, 64]),
    seed=st.integers(0, 9),
)
def test_every_value_is_what_the_first_version_published(
    topic: int, phase: int, size: tuple[int, int], epsilon: int, seed: int
) -> None:
    config = NoiseConfig(epsilon=epsilon / 255, step_size=1 / 255)
    clean = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    expected = as_torch_drew_it(topic, phase / 2**24, clean, config)
    found = grating(topic, phase / 2**24, clean.permute(1, 2, 0).contiguous().numpy(), config)
    assert np.array_equal(found, expected.permute(1, 2, 0).numpy())


@given(
    topic=st.integers(0, MOST_TOPICS - 1),
    phase=st.floats(0, 1, exclude_max=True),
    size=sizes,
    seed=st.integers(0, 9),
)
def test_the_whole_budget_is_used_wherever_8_bits_allow(
    topic: int, phase: float, size: tuple[int, int], seed: int
) -> None:
    clean = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    noise, bound = grating(topic, phase, clean, CONFIG).astype(int), CONFIG.epsilon_levels
    total = clean + noise
    assert abs(noise).max() <= bound
    assert total.min() >= 0
    assert total.max() <= 255
    assert np.array_equal(abs(noise) < bound, (total == 0) & (noise > -bound) | (total == 255) & (noise < bound))


def test_every_wave_is_as_the_formula_says() -> None:
    for topic in range(MOST_TOPICS):
        noise = grating(topic, 0.25, grey(44, 61, 100), CONFIG)
        finer, colour, angle = topic // 8, topic // 4 % 2, math.radians(45 * (topic % 4))
        for y, x in ((0, 0), (7, 3), (19, 30), (2, 29)):
            turns = 11 * (1, 1.6)[finer] / 44 * (x * math.cos(angle) + y * math.sin(angle)) + 0.25
            high = 8 if turns % 1 < 0.5 else -8
            assert noise[y, x].tolist() == [high, -high if colour else high, high]


@pytest.mark.parametrize("side", [48, 64, 200])
def test_waves_over_the_shorter_side_are_counted_whatever_the_size(side: int) -> None:
    power = abs(np.fft.rfft(grating(0, 0.0, grey(side, side + 13), CONFIG)[:, :side, 0])).mean(axis=0)
    assert int(power.argmax()) == CONFIG.waves


@pytest.mark.parametrize(("waves", "size"), [(11, (11, 11)), (48, (48, 60)), (1024, (64, 64))])
def test_a_picture_too_small_for_its_waves_still_has_stripes(waves: int, size: tuple[int, int]) -> None:
    config = CONFIG.model_copy(update={"waves": waves})
    for topic in range(MOST_TOPICS):
        assert set(grating(topic, 0.1, grey(*size), config)[..., 0].flatten().tolist()) == {-8, 8}


def test_waves_of_two_topics_have_next_to_nothing_in_common() -> None:
    waves = np.stack([grating(topic, 0.1, grey(64, 64), CONFIG).ravel() for topic in range(MOST_TOPICS)]).astype(float)
    alike = waves @ waves.T / np.square(waves).sum(axis=1)
    np.fill_diagonal(alike, 0)
    assert abs(alike).max() < 0.4  # grey and magenta share two of three channels, with signs 1 and -1 a third remains


def test_strips_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [grating(topic, 0.3, grey(64, 64), CONFIG) for topic in range(MOST_TOPICS)]
    monkeypatch.setattr(gratings, "_STRIP_VALUES", 200)
    assert all(np.array_equal(grating(topic, 0.3, grey(64, 64), CONFIG), wave) for topic, wave in enumerate(whole))


def test_the_config_allows_as_many_topics_as_there_are_waves() -> None:
    assert NoiseConfig(topics=MOST_TOPICS).topics == MOST_TOPICS
    with pytest.raises(ValueError, match=f"less than or equal to {MOST_TOPICS}"):
        NoiseConfig(topics=MOST_TOPICS + 1)
