"""A batch of images of any sizes: order kept, budget kept, steps downhill."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.config import CENTRE, NoiseConfig
from mem_core.models.image_batch import PixelBatch
from mem_core.perturb.pgd import descend
from mem_core.perturb.projection import project

CPU = torch.device("cpu")
SIDES = st.integers(1, 40)
ODD = st.sampled_from([(1, 1), (1, 300), (300, 1), (16, 16)])
SIZES = st.lists(st.tuples(SIDES, SIDES) | ODD, min_size=1, max_size=6)


def images_of(sizes: list[tuple[int, int]], seed: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, h, w), generator=draw, dtype=torch.uint8) for h, w in sizes]


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 2**31), st.integers(1, 64), st.integers(1, 64), st.sampled_from(["centre", "random-crop"]))
def test_steps_of_any_size_stay_in_the_ball_on_images_of_any_size(
    sizes: list[tuple[int, int]], seed: int, epsilon: int, step: int, views: str
) -> None:
    config = NoiseConfig.model_validate(
        {"epsilon": f"{epsilon}/255", "step_size": f"{min(step, epsilon)}/255", "views": views}
    )
    clean, draw = images_of(sizes, seed), torch.Generator().manual_seed(seed)
    batch = PixelBatch(clean, [torch.zeros_like(image, dtype=torch.int8) for image in clean], CPU)
    for _ in range(3):
        drawn = batch.draw_views(config.view, 16, draw)
        seen = batch.look(drawn)
        assert seen.shape == (len(sizes), 3, 16, 16)
        assert bool(seen.isfinite().all())
        descend(batch, drawn, torch.randn(seen.shape, generator=draw), config)
    for image, noise in zip(clean, batch.noise(), strict=True):
        total = image.to(torch.int16) + noise
        assert noise.dtype == torch.int8
        assert noise.shape == image.shape
        assert int(noise.to(torch.int16).abs().max()) <= config.epsilon_levels
        assert 0 <= int(total.min()) <= int(total.max()) <= 255


def test_a_batch_of_mixed_sizes_shows_each_image_as_it_is_alone() -> None:
    sizes = [(16, 16), (30, 20), (16, 16), (1, 300), (30, 20), (1, 1)]
    clean = images_of(sizes, 0)
    together = PixelBatch(clean, None, CPU)
    seen = together.look(together.draw_views(CENTRE, 16, torch.Generator()))
    for image, view in zip(clean, seen, strict=True):
        alone = PixelBatch([image], None, CPU)
        torch.testing.assert_close(alone.look(alone.draw_views(CENTRE, 16, torch.Generator()))[0], view)


def test_an_image_of_the_models_size_is_seen_as_it_is_published() -> None:
    (clean,) = images_of([(16, 16)], 1)
    drawn = torch.randint(-8, 9, clean.shape, generator=torch.Generator().manual_seed(2)).to(torch.int8)
    noise = project(drawn, clean, 8)
    batch = PixelBatch([clean], [noise], CPU)
    seen = batch.look(batch.draw_views(CENTRE, 16, torch.Generator()))
    torch.testing.assert_close(seen[0], (clean.to(torch.int16) + noise).float() / 255, atol=1e-6, rtol=0)


def test_no_noise_is_zero_noise() -> None:
    clean = images_of([(20, 24), (9, 9)], 3)
    zeros = [torch.zeros_like(image, dtype=torch.int8) for image in clean]
    one, other = PixelBatch(clean, None, CPU), PixelBatch(clean, zeros, CPU)
    views = one.draw_views(CENTRE, 16, torch.Generator())
    assert torch.equal(one.look(views), other.look(views))
    assert all(torch.equal(a, b) for a, b in zip(one.noise(), zeros, strict=True))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_step_goes_against_the_gradient_in_whole_levels(sign: float) -> None:
    clean = [torch.full((3, 16, 16), 128, dtype=torch.uint8)]
    batch = PixelBatch(clean, [torch.zeros(3, 16, 16, dtype=torch.int8)], CPU)
    views = batch.draw_views(CENTRE, 16, torch.Generator())
    descend(batch, views, torch.full((1, 3, 16, 16), sign), NoiseConfig(step_size=2 / 255))
    assert torch.equal(batch.noise()[0], torch.full((3, 16, 16), -2 * int(sign), dtype=torch.int8))
