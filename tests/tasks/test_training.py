"""Victims as tasks: trained once, queried once, and what is wrong is told before anything is trained."""

from pathlib import Path

import pytest

from mem_core.common.errors import SourceError
from mem_core.config import RuntimeConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig
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


def test_a_test_corpus_that_is_not_there_is_told_before_training(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", 8).uri
    job = TrainJob(corpus=corpus, out=str(tmp_path / "out"), config=CONFIG, runtime=RUNTIME, test=str(tmp_path / "no"))
    with pytest.raises(SourceError, match="expected shards"):
        train_model.fn(job)
    assert not (tmp_path / "out").exists()
