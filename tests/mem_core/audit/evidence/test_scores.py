"""What is computed before the coins come in: from the two draws alone, with the other sign when they change places."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from mem_core.audit.evidence.blocks import block_sizes, blocks_of
from mem_core.audit.evidence.encoding import Encoder, ModelEncoder, features_of
from mem_core.audit.evidence.outcome import EvidencePlan, running_p
from mem_core.audit.evidence.pairs import DrawnPair, common_words
from mem_core.audit.evidence.scores import STATISTICS, Features, Score, TwinFeatures, preferences
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.models import build_model
from mem_core.protect.coins import TwinKey, coin
from tests.mem_core.audit.evidence.conftest import Published, published_at
from tests.support.corpora import RUNTIME

SCORES: tuple[Score, ...] = get_args(Score)


def random_features(count: int, seed: int = 0) -> TwinFeatures:
    draw = np.random.default_rng(seed)
    rows = [draw.normal(size=(2, count, 8)) for _ in range(3)]
    unit = [part / np.linalg.norm(part, axis=-1, keepdims=True) for part in rows]
    return TwinFeatures(*unit, plain=unit[0][0][::-1])


@pytest.mark.parametrize("score", SCORES)
def test_exchanged_draws_change_the_sign(score: Score) -> None:
    features = random_features(30)
    exchanged = TwinFeatures(features.images[::-1], features.captions[::-1], features.triggers[::-1], features.plain)
    assert preferences(score, exchanged) == pytest.approx(-preferences(score, features))
    assert np.abs(preferences(score, features)).min() > 0


def test_the_loss_is_that_of_training_but_for_the_other_draw() -> None:
    features = random_features(5)
    expected = np.zeros((2, 5))
    for draw in (0, 1):
        for i in range(5):
            for queries, items in ((features.images, features.captions), (features.captions, features.images)):
                own = 20 * queries[draw, i] @ items[draw, i]
                others = [20 * queries[draw, i] @ items[v, j] for v in (0, 1) for j in range(5) if j != i]
                expected[draw, i] += np.log(np.exp([own, *others]).sum()) - own
    assert preferences("loss", features) == pytest.approx(expected[0] - expected[1])


@pytest.mark.parametrize("score", SCORES)
def test_a_score_finds_what_it_looks_for(score: Score) -> None:
    """Draw 1 of every pair is nearer to its image, or its image to the captions."""
    made = random_features(200)
    towards = 0.5 * made.images.mean(0)
    captions, triggers = made.captions.copy(), made.triggers.copy()
    captions[1] += towards
    triggers[1] += towards
    images = made.images.copy()
    images[1] += 0.5 * made.plain
    assert (preferences(score, TwinFeatures(images, captions, triggers, made.plain)) > 0).mean() > 0.6


@given(st.integers(1, 5000))
def test_blocks_are_even(count: int) -> None:
    sizes = block_sizes(count)
    assert sum(sizes) == count
    assert max(sizes) <= 256
    assert max(sizes) - min(sizes) <= 1
    assert [len(block) for block in blocks_of(range(count), count)] == sizes


def test_what_two_draws_of_a_caption_share() -> None:
    assert common_words("ox elk a red dog", "yak gnu a red dog") == "a red dog"
    assert common_words("a yak dog", "a red dog") == "a dog"
    assert common_words("one two", "three four") == ""
    assert common_words("a b c d", "x a b d") == common_words("x a b d", "a b c d")
    assert common_words("ox a red dog", "yak gnu a red dog") == "a red dog"


def test_what_is_scored_does_not_depend_on_the_key(twins: Published, plain: LocalFolder, tmp_path: Path) -> None:
    """The same corpus published under another key: other coins, and the very same pairs of draws."""
    other = published_at(plain, tmp_path, like=twins.dest)
    commitments = twins.committed(), other.committed()
    ours, theirs = (one.pairs(committed) for one, committed in zip((twins, other), commitments, strict=True))
    assert ours == theirs
    assert commitments[0].shards != commitments[1].shards


@dataclass
class Vectors:
    """An encoder of so many numbers for an image and for a text."""

    image: int
    text: int
    value: float = 1.0

    def images(self, files: list[bytes]) -> Features:
        return np.full((len(files), self.image), self.value)

    def texts(self, texts: list[str]) -> Features:
        return np.full((len(texts), self.text), self.value)


def test_vectors_that_cannot_be_compared_are_refused() -> None:
    pairs = [DrawnPair("00000/0", (b"a", b"b"), (("ox a dog",), ("elk a dog",)), ("ox", "elk"))]
    with pytest.raises(SourceError, match="of one width, got 3 numbers for an image and 4 for a text"):
        features_of(pairs, Vectors(3, 4), ["words"])
    with pytest.raises(SourceError, match="expected finite vectors of images, got NaN"):
        features_of(pairs, Vectors(3, 3, np.nan), ["words"])


def test_p_values_of_innocent_models_are_uniform(
    twins: Published, innocent: ModelEncoder, guilty: ModelEncoder
) -> None:
    """2,000 keys, each with coins of its own for the very pairs that a model was asked about: an untrained one, one
    trained on clean pictures, and one that learned every coin of another key."""
    pairs = twins.pairs(twins.committed())
    untrained = ModelEncoder(build_model("tiny-resnet-32", seed=5), RUNTIME)
    for number, encoder in enumerate((untrained, innocent, guilty)):
        values = p_values(encoder, pairs, number)
        for level in (0.001, 0.01, 0.05, 0.2, 0.5):
            below = sum(value <= level for value in values)
            assert below <= binom.ppf(1 - 1e-6, len(values), level)
            assert below >= binom.ppf(1e-6, len(values), 0.9 * level)


def p_values(encoder: Encoder, pairs: list[DrawnPair], number: int) -> list[float]:
    plan, draw = EvidencePlan(statistic="words"), np.random.default_rng(number)
    found = {score: preferences(score, features_of(pairs, encoder, plan.scores)) for score in STATISTICS["words"]}
    keys = [TwinKey(draw.bytes(32)) for _ in range(2000)]
    thrown = (np.array([coin(key, "c" * 32, *pair.name.split("/")) for pair in pairs]) for key in keys)
    return [float(running_p(plan, found, coins)[-1]) for coins in thrown]
