"""Waves of a codebook: at the full budget, publishable, of their frequency at any size, and unlike each other."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mem_core.config import NoiseConfig
from mem_core.perturb import codebook as gratings
from mem_core.perturb.codebook import MOST_TOPICS, grating

CONFIG = NoiseConfig()
GREY = torch.full((3, 64, 64), 128, dtype=torch.uint8)


@given(
    topic=st.integers(0, MOST_TOPICS - 1),
    phase=st.floats(0, 1, exclude_max=True),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 9),
)
def test_the_whole_budget_is_used_wherever_8_bits_allow(
    topic: int, phase: float, size: tuple[int, int], seed: int
) -> None:
    clean = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    noise, bound = grating(topic, phase, clean, CONFIG).int(), CONFIG.epsilon_levels
    total = clean.int() + noise
    assert noise.abs().max() <= bound
    assert total.min() >= 0
    assert total.max() <= 255
    assert torch.equal((noise.abs() < bound), (total == 0) & (noise > -bound) | (total == 255) & (noise < bound))


def test_every_wave_is_as_the_formula_says() -> None:
    clean = torch.full((3, 44, 61), 100, dtype=torch.uint8)
    for topic in range(MOST_TOPICS):
        noise = grating(topic, 0.25, clean, CONFIG)
        finer, colour, angle = topic // 8, topic // 4 % 2, math.radians(45 * (topic % 4))
        for y, x in ((0, 0), (7, 3), (19, 30), (2, 29)):
            turns = 11 * (1, 1.6)[finer] / 44 * (x * math.cos(angle) + y * math.sin(angle)) + 0.25
            high = 8 if turns % 1 < 0.5 else -8
            assert noise[:, y, x].tolist() == [high, -high if colour else high, high]


@pytest.mark.parametrize("side", [48, 64, 200])
def test_waves_over_the_shorter_side_are_counted_whatever_the_size(side: int) -> None:
    clean = torch.full((3, side, side + 13), 128, dtype=torch.uint8)
    power = torch.fft.rfft(grating(0, 0.0, clean, CONFIG)[0, :, :side].float()).abs().mean(dim=0)
    assert int(power.argmax()) == CONFIG.waves


@pytest.mark.parametrize(("waves", "size"), [(11, (11, 11)), (48, (48, 60)), (1024, (64, 64))])
def test_a_picture_too_small_for_its_waves_still_has_stripes(waves: int, size: tuple[int, int]) -> None:
    clean, config = torch.full((3, *size), 128, dtype=torch.uint8), CONFIG.model_copy(update={"waves": waves})
    for topic in range(MOST_TOPICS):
        assert set(grating(topic, 0.1, clean, config)[0].flatten().tolist()) == {-8, 8}


def test_waves_of_two_topics_have_next_to_nothing_in_common() -> None:
    waves = torch.stack([grating(topic, 0.1, GREY, CONFIG).float().flatten() for topic in range(MOST_TOPICS)])
    alike = (waves @ waves.T / waves.square().sum(dim=1)).fill_diagonal_(0)
    assert alike.abs().max() < 0.4  # grey and magenta share two of three channels, with signs 1 and -1 a third remains


def test_strips_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [grating(topic, 0.3, GREY, CONFIG) for topic in range(MOST_TOPICS)]
    monkeypatch.setattr(gratings, "_STRIP_VALUES", 200)
    assert all(torch.equal(grating(topic, 0.3, GREY, CONFIG), wave) for topic, wave in enumerate(whole))


def test_the_config_allows_as_many_topics_as_there_are_waves() -> None:
    assert NoiseConfig(topics=MOST_TOPICS).topics == MOST_TOPICS
    with pytest.raises(ValueError, match=f"less than or equal to {MOST_TOPICS}"):
        NoiseConfig(topics=MOST_TOPICS + 1)
