"""The pairs of a photograph are found wherever they lie, and a model is shown each of them once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.sharding.sharder import shard_source
from mem_core.experiments.reproduce.photo_pairs import features_of_photos, pairs_of, whole_photos
from mem_core.models import build_model
from mem_core.victim.config import VictimConfig
from tests.support.listed_source import Listed, raw


@pytest.fixture(params=["image", "pair"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> LocalFolder:
    """Five photographs in shards of four samples; the second has one caption, the others five."""
    words = [tuple(f"{number} in word {i}" for i in range(5 if number != 1 else 1)) for number in range(5)]
    photos = [raw(number, captions=captions) for number, captions in enumerate(words)]
    config = CorpusConfig(samples_per_shard=4, one_sample_per=request.param)
    shard_source(Listed(photos), LocalFolder(tmp_path), config, 0)
    return LocalFolder(tmp_path).below("train")


def test_photographs_with_all_captions_come_first(corpus: LocalFolder) -> None:
    photos = pairs_of(corpus, whole_photos(corpus, 4))
    assert [len(pairs) for pairs in photos] == [5] * 4
    for pairs in photos:
        (number,) = {pair.captions[0].split()[0] for pair in pairs}
        assert number != "1"
        assert {pair.captions for pair in pairs} == {(f"{number} in word {i}",) for i in range(5)}
        assert all(np.array_equal(pair.pixels, pairs[0].pixels) for pair in pairs)
    assert [len(pairs) for pairs in pairs_of(corpus, whole_photos(corpus, 9))] == [5, 5, 5, 5, 1]


def test_a_model_is_shown_each_pair_once_and_equal_seeds_show_the_same(corpus: LocalFolder) -> None:
    photos = pairs_of(corpus, whole_photos(corpus, 2))
    model, config = build_model("pocket-resnet-32", 0).freeze(), VictimConfig(architecture="pocket-resnet-32")
    found, again = (features_of_photos(model, config, photos, seed=1) for _ in range(2))
    assert found.photos.tolist() == [0] * 5 + [1] * 5
    assert found.images.shape == found.texts.shape
    assert torch.equal(found.images, again.images)
    assert torch.equal(found.texts, again.texts)
    assert len(found.texts.unique(dim=0)) == 10
