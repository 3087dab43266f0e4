"""A survey says what sharding would take, and draws from it evenly."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.readers import RawSample, open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.survey import sharded_splits, survey_shards, survey_source
from mem_core.experiments.config import RunConfig
from mem_core.protect.protection import Places, Protection


def test_a_survey_counts_what_sharding_would_take(drawn_source: Path, tmp_path: Path) -> None:
    reader = open_source(drawn_source)
    for corpus in (CorpusConfig(samples_per_shard=20), CorpusConfig(samples_per_shard=20, limit=33, test_limit=5)):
        survey = survey_source(reader, corpus, 0, 10)
        dest = LocalFolder(tmp_path / str(corpus.limit))
        made = shard_source(reader, dest, corpus)
        assert survey.samples == {split: one.samples + one.failed for split, one in made.items()}
        assert survey.shards == {split: one.shards for split, one in made.items()}
        assert len({sample.name for sample in survey.drawn}) == 10
        assert not survey.sharded
        again = survey_shards(sharded_splits(dest), 0, 10)
        assert (again.samples, again.shards, again.sharded) == (survey.samples, survey.shards, True)
        assert len(again.drawn) == 10
        assert again.drawn[0].checked().width == 32
    assert sharded_splits(LocalFolder(drawn_source)) == {}


@dataclass(frozen=True)
class Numbered:
    """A source of numbers, all of one split."""

    split: str = ""
    format: str = "numbers"
    uri: str = "memory"

    def __iter__(self) -> Iterator[RawSample]:
        return iter(RawSample(str(i), lambda: b"", ("a caption",), self.split) for i in range(200))


def test_samples_are_drawn_evenly() -> None:
    surveys = [survey_source(Numbered(), CorpusConfig(), seed, 20) for seed in range(60)]
    drawn = [int(sample.name) for survey in surveys for sample in survey.drawn]
    assert abs(fmean(drawn) - 99.5) < 8  # 57.7 / sqrt(1200) is 1.7
    assert min(drawn) < 10
    assert max(drawn) > 190


def test_a_source_without_training_samples_is_refused() -> None:
    with pytest.raises(SourceError, match="expected samples for a train split in memory"):
        survey_source(Numbered("test"), CorpusConfig(), 0, 5)


def test_shards_without_training_samples_or_already_protected_are_refused(
    drawn_source: Path, smoke: RunConfig, tmp_path: Path
) -> None:
    dest = LocalFolder(tmp_path / "clean")
    shard_source(open_source(drawn_source), dest, smoke.corpus)
    cut = LocalFolder(tmp_path / "cut")
    shutil.copytree(dest.path, cut.path)
    cut.delete("train/00001.tar")
    only_test = {"test": dest.below("test")}
    with pytest.raises(SourceError, match=rf"expected samples for a train split in {dest.uri}, but it has none"):
        survey_shards(only_test, 0, 5)
    with pytest.raises(SourceError, match=r"expected a tar in .*00001\.tar, but it is missing"):
        survey_shards(sharded_splits(cut), 0, 20)
    noise = smoke.protect.model_copy(update={"method": "random-noise"})
    protection = Protection(Places(dest.below("train"), LocalFolder(tmp_path / "out")), noise, smoke.runtime, seed=0)
    protection.begin()
    for shard in protection.shards:
        protection.publish(shard)
    protection.finish()
    with pytest.raises(SourceError, match="was protected with random-noise: protecting it again would add up noise"):
        survey_shards(sharded_splits(LocalFolder(tmp_path / "out")), 0, 5)
