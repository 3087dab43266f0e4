"""Statistics and classifiers: blind where there is nothing to see, sharp where there is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mem_core.audit.detectability import (
    Both,
    area_under_curve,
    image_statistics,
    linear_auc,
    measure_detectability,
    pairs_in_common,
    text_statistics,
)
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.victim.countermeasures.base import Pair
from tests.support.corpora import photo, tiny_corpus

scores = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=20)


@given(scores, scores)
def test_the_area_is_that_of_scikit_learn(ones: list[float], others: list[float]) -> None:
    labels = [1] * len(ones) + [0] * len(others)
    assert area_under_curve(ones, others) == pytest.approx(roc_auc_score(labels, ones + others))


def both(seed: int, noise: int) -> Both:
    clean = np.asarray(photo(seed, 40, 36))
    grain = np.random.default_rng(seed).integers(-noise, noise + 1, clean.shape)
    noisy = np.clip(clean.astype(int) + grain, 0, 255).astype(np.uint8)
    caption = "a red dog runs"
    return Pair(str(seed), noisy, (f"zyzzyva quokka {caption}",)), Pair(str(seed), clean, (caption,))


def test_noise_and_added_words_are_seen_and_nothing_is_not() -> None:
    def auc(noise: int, words: bool) -> float:
        known, unseen = [both(i, noise) for i in range(20)], [both(i, noise) for i in range(20, 40)]
        if words:
            return linear_auc(known, unseen, lambda pair: text_statistics(pair.captions))
        return linear_auc(known, unseen, lambda pair: image_statistics(pair.pixels))

    assert auc(12, words=False) > 0.95
    assert auc(0, words=True) > 0.95
    assert auc(0, words=False) == 0.5  # the very same pictures on both sides


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (40, 2)])
def test_statistics_of_tiny_and_flat_pictures_are_numbers(size: tuple[int, int]) -> None:
    for image in (np.asarray(photo(0, *size)), np.zeros((size[1], size[0], 3), np.uint8)):
        found = image_statistics(image)
        assert found.shape == (21,)
        assert np.isfinite(found).all()


def test_detection_on_corpora(clean: LocalFolder, mem: LocalFolder) -> None:
    found, purifier = measure_detectability(mem, clean, seed=0, steps=2)
    assert (found.learned_from, found.judged_on) == (12, 11)
    assert found.text_auc > 0.8
    assert 1 < found.noise_before <= 8
    assert found.noise_after < 20
    assert purifier.clean(np.asarray(photo(1))).shape == (32, 32, 3)


def test_corpora_that_have_nothing_in_common_are_named(mem: LocalFolder, tmp_path: Path) -> None:
    other = tiny_corpus(tmp_path, 2)
    with pytest.raises(SourceError, match="name the corpus that was protected"):
        pairs_in_common(mem, other, 10)
