"""Image countermeasures against other implementations, or against a law where there is no other."""

from random import Random

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mem_core.data.image_quality import psnr
from mem_core.data.images import Pixels
from mem_core.victim.countermeasures.base import Countermeasure
from mem_core.victim.countermeasures.images import (
    Bilateral,
    BitDepth,
    DownUp,
    Flip,
    GaussianBlur,
    Grey,
    Img2dataset,
    Jpeg,
    MedianBlur,
    WebP,
)
from tests.support.corpora import photo

ALL: list[Countermeasure] = [
    Jpeg(),
    WebP(),
    Img2dataset(side=64),
    DownUp(),
    GaussianBlur(),
    MedianBlur(),
    Bilateral(),
    Grey(),
    BitDepth(),
    Flip(share=1.0),
]
by_kind = pytest.mark.parametrize("one", ALL, ids=lambda one: str(one.model_dump()["kind"]))
pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


def pixels(seed: int, width: int = 96, height: int = 64) -> Pixels:
    return np.asarray(photo(seed, width, height))


def treated(one: Countermeasure, image: Pixels) -> Pixels:
    return one.image(image, Random(0))


@by_kind
@given(image=pictures)
def test_any_picture_becomes_a_picture_and_is_left_alone_itself(one: Countermeasure, image: Pixels) -> None:
    before = image.copy()
    found = treated(one, image)
    assert (found.dtype, found.ndim, found.shape[2]) == (np.uint8, 3, 3)
    assert found.shape == image.shape or isinstance(one, Img2dataset)
    assert (image == before).all()
    assert (treated(one, image) == found).all()


@by_kind
def test_one_colour_stays_one_colour(one: Countermeasure) -> None:
    flat = np.full((48, 48, 3), 153, np.uint8)
    assert np.abs(treated(one, flat).astype(int) - 153).max() <= 1


@pytest.mark.parametrize(("quality", "chroma"), [(95, "4:2:0"), (75, "4:2:0"), (30, "4:2:0"), (90, "4:4:4")])
def test_jpeg_is_that_of_opencv(quality: int, chroma: str) -> None:
    """Another writer and reader around the same standard: equal but for rounding."""
    image = pixels(1)
    factor = {"4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444}[chroma]
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], options)
    other = cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]
    found = treated(Jpeg.model_validate({"quality": quality, "chroma": chroma}), image)
    assert np.abs(found.astype(int) - other).max() <= 3


def test_lower_quality_loses_more() -> None:
    image = pixels(2)
    for kind in (Jpeg, WebP):
        losses = [psnr(image, treated(kind(quality=quality), image)) for quality in (90, 75, 50, 30)]
        assert losses == sorted(losses, reverse=True)


def test_a_crawled_picture_is_the_average_of_its_boxes() -> None:
    """128 x 96 to 32 x 24: each pixel the mean of a 4 x 4 box, a white border above and below, JPEG at its finest."""
    image = pixels(3, 128, 96)
    found = treated(Img2dataset(side=32, quality=100), image)
    boxes = image.reshape(24, 4, 32, 4, 3).mean(axis=(1, 3))
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(found[6:26] @ luma - boxes[2:22] @ luma).max() < 4
    assert found[:3].min() > 240 < found[-3:].min()


def test_a_small_crawled_picture_is_made_larger() -> None:
    assert treated(Img2dataset(), pixels(4, 40, 30)).shape == (256, 256, 3)


def test_down_and_up_takes_what_is_fine_and_leaves_what_is_coarse() -> None:
    board = (255 * (np.indices((32, 32)).sum(axis=0) % 2)).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    assert np.ptp(treated(DownUp(), board)[8:24, 8:24]) <= 20
    ramp = np.arange(0, 128, 2, dtype=np.uint8)[None, :, None].repeat(64, axis=0).repeat(3, axis=2)
    assert np.abs(treated(DownUp(), ramp)[:, 4:-4].astype(int) - ramp[:, 4:-4]).max() <= 1


def test_gaussian_blur_is_near_that_of_opencv() -> None:
    image = pixels(5)
    other = cv2.GaussianBlur(image, (0, 0), 1.0)
    inside = np.s_[4:-4, 4:-4]
    assert np.abs(treated(GaussianBlur(sigma=1.0), image)[inside].astype(int) - other[inside]).mean() < 1.5


def test_median_is_the_middle_value() -> None:
    image = pixels(6, 12, 9)
    found = treated(MedianBlur(size=3), image)
    for y in range(1, 8):
        for x in range(1, 11):
            expected = np.median(image[y - 1 : y + 2, x - 1 : x + 2].reshape(9, 3), axis=0)
            assert (found[y, x] == expected).all()


def test_bilateral_keeps_an_edge_and_smooths_beside_it() -> None:
    grain = np.random.default_rng(0).integers(-6, 7, (32, 32, 3))
    edge = np.where(np.arange(32)[None, :, None] < 16, 60, 190)
    image = (edge + grain).astype(np.uint8)
    found = treated(Bilateral(), image).astype(int)
    assert np.abs(found - edge).mean() < 0.7 * np.abs(grain).mean()
    assert (found[:, 16] - found[:, 15]).min() > 100


def test_grey_is_luma_in_three_channels() -> None:
    image = pixels(7)
    found = treated(Grey(), image)
    assert (found[..., 0] == found[..., 1]).all()
    assert (found[..., 0] == found[..., 2]).all()
    assert np.abs(found[..., 0] - image @ np.array([0.299, 0.587, 0.114])).max() <= 1


@given(image=pictures, bits=st.integers(1, 8))
def test_bits_are_levels(image: Pixels, bits: int) -> None:
    one = BitDepth(bits=bits)
    found = treated(one, image)
    assert len(np.unique(found)) <= 2**bits
    assert (treated(one, found) == found).all()
    assert np.abs(found.astype(int) - image).max() <= 255 / (2**bits - 1) / 2 + 1
    assert bits < 8 or (found == image).all()


def test_flips_are_mirrors_and_as_many_as_asked_for() -> None:
    image = pixels(8)
    assert (treated(Flip(share=1.0), treated(Flip(share=1.0), image)) == image).all()
    flipped = sum(bool((Flip().image(image, Random(i)) != image).any()) for i in range(400))
    assert 160 < flipped < 240


def test_a_flipped_column_is_an_array_that_torch_takes() -> None:
    column = np.arange(12, dtype=np.uint8).reshape(4, 1, 3)
    assert torch.equal(torch.from_numpy(Flip(share=1).image(column, Random(0))), torch.from_numpy(column))
