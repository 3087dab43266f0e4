"""Test pairs that are looked at after every epoch: an evaluation's median ranks, read and decoded once."""

from pathlib import Path

import pytest

from benchmarks.counted_folder import Call, CountedFolder
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.models import OpenClipEncoder, build_model
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.evaluation import query_model
from mem_core.victim.query_pairs import QueryPairs
from tests.support.corpora import RUNTIME, plain_shard, tiny_corpus

QUERIES = EvaluateConfig(batch_size=4)


@pytest.fixture(scope="module")
def models() -> list[OpenClipEncoder]:
    return [build_model("tiny-resnet-32", seed=seed).freeze() for seed in range(3)]


@pytest.mark.parametrize("cache_mb", [64, 0])
def test_looks_are_those_of_an_evaluation_whatever_is_kept(
    models: list[OpenClipEncoder], tmp_path: Path, cache_mb: int
) -> None:
    test, runtime = tiny_corpus(tmp_path, 9, 6), RUNTIME.model_copy(update={"cache_mb": cache_mb})
    pairs = QueryPairs(test, models[0], QUERIES, runtime, keep=True)
    for model in models:
        found = query_model(model, test, QUERIES, RUNTIME).bare
        wanted = found.image_to_text.median_rank, found.text_to_image.median_rank
        assert pairs.median_ranks(model) == wanted


def test_a_second_look_reads_nothing(models: list[OpenClipEncoder], tmp_path: Path) -> None:
    calls: list[Call] = []
    test = CountedFolder(tiny_corpus(tmp_path, 9, 6), calls)
    pairs = QueryPairs(test, models[0], QUERIES, RUNTIME, keep=True)
    first = pairs.median_ranks(models[0])
    calls.clear()
    assert pairs.median_ranks(models[0]) == first
    assert not calls


def test_a_test_corpus_that_changes_between_looks_has_a_sentence(models: list[OpenClipEncoder], tmp_path: Path) -> None:
    test, nothing_kept = tiny_corpus(tmp_path, 5), RUNTIME.model_copy(update={"cache_mb": 0})
    pairs = QueryPairs(test, models[0], QUERIES, nothing_kept, keep=True)
    pairs.median_ranks(models[0])
    write_bytes(test, "00000.tar", plain_shard("00000", 3))
    with pytest.raises(SourceError, match="to stay as it is .*, but shard 00000 is another one now"):
        pairs.median_ranks(models[0])


def test_an_unusable_test_corpus_has_a_sentence(models: list[OpenClipEncoder], tmp_path: Path) -> None:
    test = LocalFolder(tmp_path)
    write_bytes(test, "00000.tar", plain_shard("00000", 0))
    with pytest.raises(SourceError, match="at least one usable pair"):
        QueryPairs(test, models[0], QUERIES, RUNTIME).median_ranks(models[0])
