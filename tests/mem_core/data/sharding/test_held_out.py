"""Validation images: held out of train where there is a test but no validation, by seed and name alone."""

import random
from pathlib import Path
from typing import Any

import pytest

from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.sharding.held_out import empty_lines
from mem_core.data.sharding.sharder import shard_source
from tests.support.listed_source import Listed, raw, samples


def listed(*counts: tuple[str, int]) -> list[Any]:
    splits = [split for split, count in counts for _ in range(count)]
    return [raw(number, split) for number, split in enumerate(splits)]


def names(dest: Path, source: list[Any], seed: int = 5, **settings: Any) -> dict[str, set[str]]:
    """The images of each split."""
    folder = LocalFolder(dest)
    found = shard_source(Listed(source), folder, CorpusConfig.model_validate(settings), seed)
    return {split: {str(sample.metadata["name"]) for sample in samples(folder.below(split))} for split in found}


def test_images_are_held_out_of_train_and_of_nothing_else(tmp_path: Path) -> None:
    found = names(tmp_path, listed(("train", 80), ("test", 10)), validation=7)
    assert {split: len(own) for split, own in found.items()} == {"train": 73, "test": 10, "val": 7}
    assert len(found["train"] | found["val"]) == 80
    assert found["test"] == {raw(number).name for number in range(80, 90)}


def test_at_most_a_tenth_of_train_is_held_out(tmp_path: Path) -> None:
    found = names(tmp_path / "a", listed(("train", 39), ("test", 10)))
    assert (len(found["train"]), len(found["val"])) == (36, 3)
    assert "val" not in names(tmp_path / "b", listed(("train", 19), ("test", 10)))


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        (listed(("train", 40), ("test", 10), ("val", 3)), {}),
        (listed(("", 40)), {}),
        (listed(("train", 40)), {}),
        (listed(("train", 40), ("test", 10)), {"validation": 0}),
        (listed(("", 40)), {"validation": 0, "holdout": 0.3}),
    ],
)
def test_nothing_is_held_out_where_there_is_validation_or_no_test(
    tmp_path: Path, source: list[Any], settings: dict[str, Any]
) -> None:
    found = names(tmp_path, source, **settings)
    own = {str(sample.name) for sample in source if sample.split == "val"}
    assert found.get("val", set()) == own


def test_beside_a_holdout_validation_is_drawn_as_well(tmp_path: Path) -> None:
    without = names(tmp_path / "a", listed(("", 60)), holdout=0.3, validation=0)
    found = names(tmp_path / "b", listed(("", 60)), holdout=0.3, validation=4)
    assert found["test"] == without["test"]
    assert len(found["val"]) == 4
    assert found["val"] < without["train"]


def test_the_draw_depends_on_seed_and_names_alone(tmp_path: Path) -> None:
    source = listed(("train", 80), ("test", 10))
    drawn = names(tmp_path / "a", source, validation=6)["val"]
    mixed = random.Random(1).sample(source, len(source))
    assert names(tmp_path / "b", mixed, validation=6)["val"] == drawn
    assert names(tmp_path / "c", source, validation=6, one_sample_per="pair")["val"] == drawn
    assert names(tmp_path / "d", source, validation=3)["val"] < drawn
    assert names(tmp_path / "e", source, seed=6, validation=6)["val"] != drawn


@pytest.mark.parametrize(
    ("source", "settings", "said"),
    [
        (
            listed(("", 24)),
            {"holdout": 0.001},
            [
                "nothing is in test: corpus.holdout=0.001 drew none of 24 images; shard more images or set a larger "
                "share, with another destination, or leave the setting out"
            ],
        ),
        (
            listed(("", 24)),
            {"holdout": 0.4},
            [
                "nothing is in val: it gets at most a tenth of the images of train and at least 2, and train has too "
                "few for that; shard more images or set a smaller corpus.holdout, with another destination, or train "
                "without validation pairs"
            ],
        ),
        (
            listed(("train", 19), ("test", 10)),
            {},
            [
                "nothing is in val: it gets at most a tenth of the images of train and at least 2, and train has too "
                "few for that; shard more images, with another destination, or train without validation pairs"
            ],
        ),
        (listed(("train", 19), ("test", 10)), {"validation": 0}, []),
        (listed(("train", 20), ("test", 10)), {}, []),
        (listed(("test", 10)), {}, []),
        (listed(("", 24)), {}, []),
    ],
)
def test_an_empty_split_that_was_asked_for_is_said(
    tmp_path: Path, source: list[Any], settings: dict[str, Any], said: list[str]
) -> None:
    config = CorpusConfig.model_validate(settings)
    assert list(empty_lines(shard_source(Listed(source), LocalFolder(tmp_path), config, 5), config)) == said
