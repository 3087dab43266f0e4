"""A view equals Pillow's crop and resize, and its pull-back is the gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from mem_core.models.views import boxes, view_of

CPU = torch.device("cpu")
sides = st.integers(1, 70)


@settings(max_examples=60, deadline=None)
@given(height=sides, width=sides, side=st.integers(1, 40), seed=st.integers(0, 2**20), data=st.data())
def test_view_equals_pillow_bicubic(height: int, width: int, side: int, seed: int, data: st.DataObject) -> None:
    tall, wide = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    top, left = data.draw(st.integers(0, height - tall)), data.draw(st.integers(0, width - wide))
    pixels = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    # Pillow's float mode resizes without rounding to 8 bits; its `box` would look beyond the crop's edge, so crop first
    crop = Image.fromarray(pixels[top : top + tall, left : left + wide], mode="F")
    expected = np.asarray(crop.resize((side, side), Image.Resampling.BICUBIC))
    view = view_of(torch.tensor([[top, left, tall, wide]], dtype=torch.float64), height, width, side, CPU)
    seen = view.look(torch.from_numpy(pixels)[None, :, None].expand(-1, -1, 3, -1))
    np.testing.assert_allclose(seen[0, 0].numpy(), expected, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(height=sides, width=sides, side=st.integers(1, 30), seed=st.integers(0, 2**20))
def test_pull_back_is_the_gradient(height: int, width: int, side: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.rand(2, height, 3, width, generator=draw, requires_grad=True)
    view = view_of(boxes("random-crop", height, width, 2, (0.5, 1.0), draw), height, width, side, CPU)
    upstream = torch.rand(2, 3, side, side, generator=draw)
    (expected,) = torch.autograd.grad(view.look(pixels), pixels, upstream)
    torch.testing.assert_close(view.pull_back(upstream), expected)


@settings(max_examples=30, deadline=None)
@given(height=sides, width=sides, side=st.integers(1, 30), seed=st.integers(0, 2**20))
def test_what_a_view_of_one_image_comes_to_does_not_depend_on_its_batch(
    height: int, width: int, side: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    box = boxes("random-crop", height, width, 3, (0.1, 1.0), draw)
    pixels, gradient = torch.rand(3, height, 3, width, generator=draw), torch.randn(3, 3, side, side, generator=draw)
    whole = view_of(box, height, width, side, CPU)
    seen, slope = whole.look(pixels), whole.pull_back(gradient)
    for i in range(3):
        one = slice(i, i + 1)
        alone = view_of(box[one], height, width, side, CPU)
        assert torch.equal(alone.look(pixels[one]), seen[one])
        assert torch.equal(alone.pull_back(gradient[one]), slope[one])
        assert torch.equal(whole.look(pixels[one], one), seen[one])
        assert torch.equal(whole.pull_back(gradient[one], one), slope[one])


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400), seed=st.integers(0, 2**20))
def test_random_boxes_lie_inside(height: int, width: int, seed: int) -> None:
    found = boxes("random-crop", height, width, 50, (0.1, 1.0), torch.Generator().manual_seed(seed))
    top, left, tall, wide = found.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (tall >= 1).all()
    assert (wide >= 1).all()
    assert (top + tall <= height).all()
    assert (left + wide <= width).all()


def test_random_boxes_keep_to_scale_and_aspect() -> None:
    found = boxes("random-crop", 400, 400, 2000, (0.5, 0.8), torch.Generator().manual_seed(0))
    area, aspect = found[:, 2] * found[:, 3] / 160_000, found[:, 3] / found[:, 2]
    assert area.min() > 0.49
    assert area.max() < 0.81
    assert aspect.min() == pytest.approx(3 / 4, abs=0.02)
    assert aspect.max() == pytest.approx(4 / 3, abs=0.02)


def test_centre_of_a_wide_image_is_its_middle_square() -> None:
    assert boxes("centre", 10, 31, 3, (1, 1), torch.Generator()).tolist() == [[0, 10, 10, 10]] * 3


@pytest.mark.parametrize(("height", "width"), [(333, 500), (500, 333), (100, 110), (1, 300), (300, 1), (64, 64)])
def test_where_no_crop_fits_the_box_is_torchvisions(height: int, width: int) -> None:
    """At scale 1 an elongated photo fits no try: torchvision then takes its centre at 4:3 or 3:4, or all of it."""
    transform = RandomResizedCrop(8, scale=(1.0, 1.0))
    torch.manual_seed(0)
    expected = transform.get_params(torch.zeros(3, height, width), [1.0, 1.0], [3 / 4, 4 / 3])
    found = boxes("random-crop", height, width, 1, (1.0, 1.0), torch.Generator().manual_seed(0))
    assert found[0].tolist() == list(expected)
