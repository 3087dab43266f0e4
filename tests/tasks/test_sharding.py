"""Where a source lies, by path or address, and what a part of a corpus is."""

from pathlib import Path

import pytest

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.corpus import list_shards
from tasks.sharding import place_of, shard_corpus, source_folder, take_shards


def test_a_path_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("image,caption\n")
    assert place_of(str(tmp_path)) == (str(tmp_path), "")
    folder, is_folder = source_folder(str(tmp_path))
    assert (folder.uri, is_folder) == (str(tmp_path), True)
    folder, is_folder = source_folder(str(tmp_path / "captions.csv"))
    assert (folder.uri, is_folder) == (str(tmp_path), False)


def test_a_source_becomes_shards_once_and_a_part_of_them_a_corpus(drawn_source: Path, tmp_path: Path) -> None:
    dest, config = tmp_path / "clean", CorpusConfig(samples_per_shard=24)
    made = shard_corpus.fn(str(drawn_source), str(dest), config)
    assert {name: (one.samples, one.shards, one.kept) for name, one in made.items()} == {
        "train": (64, 3, 0),
        "test": (16, 1, 0),
        "val": (8, 1, 0),
    }
    again = shard_corpus.fn(str(drawn_source), str(dest), config)
    assert {name: one.kept for name, one in again.items()} == {"train": 3, "test": 1, "val": 1}
    part = take_shards.fn(str(dest / "train"), str(tmp_path / "part"), 2)
    assert list_shards(LocalFolder(part)) == ["00000", "00001"]
    with pytest.raises(ConfigError, match="at least 4 shards"):
        take_shards.fn(str(dest / "train"), str(tmp_path / "more"), 4)
