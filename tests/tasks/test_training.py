"""Victims as tasks: trained once, queried once, and what is wrong is told before anything is trained."""

from pathlib import Path
from typing import Any

import pytest

from mem_core.common.errors import DestinationError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import RuntimeConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.record import read_victim
from mem_core.victim.result import read_evaluation
from tasks.training import TrainJob, evaluate_model, train_model
from tests.support.corpora import tiny_corpus

RUNTIME = RuntimeConfig(device="cpu", precision="float32")
CONFIG = VictimConfig(architecture="tiny-resnet-32", epochs=1, batch_size=4)


def test_a_victim_is_trained_and_queried_once(tmp_path: Path) -> None:
    corpus, out = tiny_corpus(tmp_path / "corpus", 8).uri, str(tmp_path / "victim")
    job = TrainJob(corpus=corpus, out=out, config=CONFIG, runtime=RUNTIME, test=corpus)
    record = train_model.fn(job)
    assert (record.samples, len(record.history)) == (8, 1)
    weights = tmp_path / "victim" / "victim.safetensors"
    before = weights.stat().st_mtime_ns
    assert train_model.fn(job) == record
    assert weights.stat().st_mtime_ns == before
    found = evaluate_model.fn(out, corpus, "victim", EvaluateConfig(), RUNTIME)
    assert found.images == 8
    assert evaluate_model.fn(out, corpus, "victim", EvaluateConfig(), RUNTIME) == found


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"seed": 5}, "with seed 0: of another seed; name another folder"),
        ({"config": CONFIG.model_copy(update={"epochs": 2})}, "of other settings; name another folder"),
        ({"corpus": "clean"}, "of another corpus; name another folder"),
    ],
)
def test_another_victim_is_not_written_over(tmp_path: Path, other: dict[str, Any], sentence: str) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", 8).uri
    other = {**other, "corpus": tiny_corpus(tmp_path / "clean", 9).uri} if "corpus" in other else other
    job = TrainJob(corpus=corpus, out=str(tmp_path / "victim"), config=CONFIG, runtime=RUNTIME)
    record = train_model.fn(job)
    with pytest.raises(DestinationError, match=sentence):
        train_model.fn(job.model_copy(update=other))
    assert read_victim(LocalFolder(tmp_path / "victim")) == record


def test_a_corpus_that_has_grown_gives_a_new_victim_and_takes_the_result_of_the_old_one_away(tmp_path: Path) -> None:
    corpus, out = tiny_corpus(tmp_path / "corpus", 8), LocalFolder(tmp_path / "victim")
    job = TrainJob(corpus=corpus.uri, out=out.uri, config=CONFIG, runtime=RUNTIME)
    train_model.fn(job)
    evaluate_model.fn(out.uri, corpus.uri, "victim", EvaluateConfig(), RUNTIME)
    tiny_corpus(tmp_path / "corpus", 8, 8)
    assert train_model.fn(job).samples == 16
    assert read_evaluation(out) is None


def test_a_test_corpus_that_is_not_there_is_told_before_training(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", 8).uri
    job = TrainJob(corpus=corpus, out=str(tmp_path / "out"), config=CONFIG, runtime=RUNTIME, test=str(tmp_path / "no"))
    with pytest.raises(SourceError, match="expected shards"):
        train_model.fn(job)
    assert not (tmp_path / "out").exists()
