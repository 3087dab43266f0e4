"""The tint of the method that is made for evidence: soft, within the budget, of its own for each image and draw."""

import hashlib

import numpy as np
import pytest

from mem_core.perturb.tint import tint

GREY = np.full((375, 500, 3), 128, dtype=np.uint8)


def test_it_fills_the_budget_at_the_knots_and_has_no_edges() -> None:
    field = tint(GREY, 8, 0, "00000", "a").astype(int)
    assert np.abs(field).max() == 8
    assert (np.abs(field) == 8).mean() > 0.3
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (0, 1)) <= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (2, 300, 3), (32, 32, 3)])
def test_pictures_of_any_size_stay_pictures(shape: tuple[int, ...]) -> None:
    clean = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    field = tint(clean, 8, 0, "00000", "a").astype(int)
    assert field.shape == shape
    assert np.abs(field).max() <= 8
    assert (clean + field).min() >= 0
    assert (clean + field).max() <= 255


def test_every_image_and_draw_has_its_own() -> None:
    keys = [(0, "00000", "a"), (0, "00000", "b"), (0, "00001", "a"), (1, "00000", "a")]
    assert len({tint(GREY, 8, *key).tobytes() for key in keys}) == len(keys)


def test_a_resized_picture_has_the_same_tint() -> None:
    """So a model that reads a smaller picture sees what a larger one carries."""
    large, small = (tint(np.full((side, side, 3), 128, np.uint8), 8, 3, "00000", "a") for side in (224, 32))
    means = large.reshape(32, 7, 32, 7, 3).astype(float).mean((1, 3))
    assert np.abs(means - small).max() < 1.5


def test_its_bytes_stay_as_they_are() -> None:
    made = tint(GREY, 8, 0, "00000", "a").tobytes()
    assert hashlib.sha256(made).hexdigest() == "34715a84b519528dd0312bda83acc108505ef9bbed65f26f667b9d86595afa4a"
