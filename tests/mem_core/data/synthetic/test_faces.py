"""Invented people: repeatable, told apart by what stays the same, read as identities, under names nobody bears."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig, IdentitiesConfig
from mem_core.data.readers import open_source
from mem_core.data.shard_cache import load_shard
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.face_corpora import draw_people, draw_portraits
from mem_core.data.synthetic.names import CAPACITY, invented_name, renamed


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_people(tmp_path_factory.mktemp("faces") / "people", 6, 4, size=32, seed=2)


def test_equal_arguments_give_equal_bytes_and_another_seed_other_people(people: Path, tmp_path: Path) -> None:
    assert contents(draw_people(tmp_path / "again", 6, 4, size=32, seed=2)) == contents(people)
    others = {path.name for path in draw_people(tmp_path / "others", 6, 4, size=32, seed=3).iterdir()}
    assert others & {path.name for path in people.iterdir()} == {"procedural.json"}


def test_photos_of_one_person_are_nearer_to_each_other_than_to_those_of_another(people: Path) -> None:
    """At the middle of the head, where there is neither wall nor shirt."""
    means = [
        [np.asarray(Image.open(photo), dtype=float)[6:24, 10:22].mean((0, 1)) for photo in sorted(home.iterdir())]
        for home in sorted(people.iterdir())
        if home.is_dir()
    ]
    within = [np.linalg.norm(a - b) for own in means for a, b in combinations(own, 2)]
    between = [np.linalg.norm(a - b) for one, two in combinations(means, 2) for a in one for b in two]
    assert np.mean(within) < np.mean(between) / 2


def test_portraits_are_described_and_split(tmp_path: Path) -> None:
    samples = list(open_source(draw_portraits(tmp_path / "portraits", 5, 2, size=32)))
    assert [sample.split for sample in samples] == ["train"] * 5 + ["test"] * 2
    assert all(len(set(sample.captions)) == 5 for sample in samples)


@pytest.mark.parametrize(("count", "photos", "size"), [(0, 4, 32), (3, 0, 32), (3, 4, 8), (CAPACITY + 1, 1, 32)])
def test_impossible_numbers_have_a_sentence(tmp_path: Path, count: int, photos: int, size: int) -> None:
    with pytest.raises(ConfigError, match="pictures of faces"):
        draw_people(tmp_path / "people", count, photos, size=size)


def test_one_photo_of_each_person_is_for_the_test_under_an_invented_name(people: Path, tmp_path: Path) -> None:
    config = CorpusConfig(identities=IdentitiesConfig(hold_out=True, rename=True))
    reader = open_source(people, config=config, seed=9)
    summaries = shard_source(reader, LocalFolder(tmp_path / "clean"), config, seed=9)
    assert (summaries["train"].samples, summaries["test"].samples) == (18, 6)
    known = {path.name.replace("_", " ") for path in people.iterdir()}
    names = {}
    for split in ("train", "test"):
        shard = load_shard(LocalFolder(tmp_path / "clean" / split), "00000", 2**20)
        names[split] = {sample.metadata["identity"] for sample in shard.samples}
        assert all(sample.metadata["identity"] in caption for sample in shard.samples for caption in sample.captions)
    assert names["train"] == names["test"]
    assert not names["train"] & known


@given(st.lists(st.integers(0, CAPACITY - 1), unique=True, max_size=50))
def test_numbers_name_differently(numbers: list[int]) -> None:
    assert len({invented_name(number) for number in numbers}) == len(numbers)


@given(st.sets(st.text(max_size=12), max_size=30), st.integers(0, 5))
def test_everybody_gets_another_name_whatever_their_order(names: set[str], seed: int) -> None:
    found = renamed(names, seed)
    assert found.keys() == names
    assert len(set(found.values())) == len(names)
    assert renamed(sorted(names, reverse=True), seed) == found
