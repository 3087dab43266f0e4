"""The purifier learns to take out a pattern it has seen pairs of; odd sizes and damaged files."""

import numpy as np
import pytest

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.data.images import Pixels
from mem_core.victim.countermeasures.purifier import Purifier, fit_purifier, load_purifier, save_purifier
from tests.support.corpora import photo

BOARD = (8 * (2 * (np.indices((49, 51)).sum(axis=0) % 2) - 1))[:, :, None]


def pair(seed: int) -> tuple[Pixels, Pixels]:
    clean = np.asarray(photo(seed, 51, 49))
    return np.clip(clean.astype(int) + BOARD, 0, 255).astype(np.uint8), clean


@pytest.fixture(scope="module")
def learned() -> Purifier:
    return fit_purifier([pair(seed) for seed in range(8)], seed=0, steps=40)


def error(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_a_pattern_is_taken_out_of_pictures_never_seen(learned: Purifier) -> None:
    protected, clean = pair(100)
    assert error(learned.clean(protected), clean) < 0.7 * error(protected, clean)


def test_untrained_it_changes_nothing() -> None:
    image = np.asarray(photo(3, 7, 5))
    assert (Purifier().clean(image) == image).all()


def test_weights_come_back_and_others_are_named(learned: Purifier) -> None:
    image = pair(101)[0]
    data = save_purifier(learned)
    assert (load_purifier(data, "p").clean(image) == learned.clean(image)).all()
    for damaged in (data[:-9], b"", b"garbage"):
        with pytest.raises(MismatchError, match="weights of a purifier in p, which cannot be used"):
            load_purifier(damaged, "p")


def test_small_pictures_and_none() -> None:
    small = np.asarray(photo(4, 3, 2))
    assert fit_purifier([(small, small)], seed=1, steps=1).clean(small).shape == (2, 3, 3)
    with pytest.raises(ConfigError, match="got none"):
        fit_purifier([], seed=1)
