"""Sharding again: damage is repaired, another source or other settings and wrong places are refused with a sentence."""

from pathlib import Path
from typing import Any

import pytest

from mem_core.common.errors import DestinationError, MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.sharding.sharder import shard_source
from tests.support.listed_source import Listed, contents, raw

CONFIG = CorpusConfig(samples_per_shard=3)


def test_changed_settings_and_sources_are_told_apart(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    listed = [raw(number) for number in range(7)]
    shard_source(Listed(listed), dest, CONFIG, 0)
    before = contents(dest)
    with pytest.raises(MismatchError, match=r"samples_per_shard 4 \(it was 3\): use those, or another destination"):
        shard_source(Listed(listed), dest, CorpusConfig(samples_per_shard=4), 0)
    with pytest.raises(MismatchError, match=r"seed 1 \(it was 0\)"):
        shard_source(Listed(listed), dest, CONFIG, 1)
    for changed in (
        [*listed[:4], raw(99), *listed[5:]],
        [*listed[:4], raw(4, captions=("other",)), *listed[5:]],
        listed[:6],
        listed[:5],
        [*listed, raw(7)],
        [*listed, raw(7), raw(8), raw(9)],
        [raw(number, "test") for number in range(7)],
    ):
        with pytest.raises(MismatchError, match=r"changed|there are more"):
            shard_source(Listed(changed), dest, CONFIG, 0)
        assert contents(dest) == before


def test_a_full_last_shard_still_notices_growth(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    listed = [raw(number) for number in range(6)]
    shard_source(Listed(listed), dest, CONFIG, 0)
    for more in (raw(6), raw(6, good=False)):
        with pytest.raises(MismatchError, match="changed"):
            shard_source(Listed([*listed, more]), dest, CONFIG, 0)


class Before(CorpusConfig):
    """As version 0.3.0 marked a corpus: it held nothing out of train, and said nothing of it."""

    def made_with(self) -> dict[str, Any]:
        return {name: value for name, value in super().made_with().items() if name != "validation"}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("pieces", [3, 100])
def test_a_corpus_of_before_there_was_a_validation_split_is_refused_as_such(
    tmp_path: Path, order: int, pieces: int
) -> None:
    dest = LocalFolder(tmp_path)
    listed = [*(raw(number, "train") for number in range(40)), *(raw(number, "test") for number in range(40, 44))]
    shard_source(Listed(listed[::order]), dest, Before(samples_per_shard=pieces, validation=0), 0)
    before = contents(dest)
    with pytest.raises(MismatchError, match=r"a split `val`.*version up to 0\.3\.0.*another destination") as refused:
        shard_source(Listed(listed[::order]), dest, CorpusConfig(samples_per_shard=pieces), 0)
    assert "the source has changed" not in str(refused.value)
    assert contents(dest) == before


def test_damaged_outputs_are_written_again(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    listed = [raw(number) for number in range(7)]
    shard_source(Listed(listed), dest, CONFIG, 0)
    before = contents(dest)
    (tmp_path / "train" / "00001.tar").write_bytes(b"damaged")
    (tmp_path / "train" / "00002.parquet").unlink()
    summary = shard_source(Listed(listed), dest, CONFIG, 0)["train"]
    assert (summary.shards, summary.kept) == (3, 1)
    assert contents(dest) == before


def test_wrong_places_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    listed = Listed([raw(1)], uri=str(source))
    (tmp_path / "link").symlink_to(source)
    for dest, words in ((source, "is the source"), (tmp_path / "link", "is the source"), (source / "sub", "inside")):
        with pytest.raises(DestinationError, match=words):
            shard_source(listed, LocalFolder(dest), CONFIG, 0)
    with pytest.raises(DestinationError, match="lies inside it"):
        shard_source(listed, LocalFolder(tmp_path), CONFIG, 0)
    other = tmp_path / "other" / "train"
    other.mkdir(parents=True)
    (other / "00000.tar").write_bytes(b"somebody's")
    with pytest.raises(DestinationError, match=r"holds other data: train/00000\.tar"):
        shard_source(listed, LocalFolder(tmp_path / "other"), CONFIG, 0)
    with pytest.raises(SourceError, match="it has none"):
        shard_source(Listed([]), LocalFolder(tmp_path / "new"), CONFIG, 0)
    assert not list((tmp_path / "new").glob("*"))
