"""The steps of a protection as tasks: what each leaves, and what a second run finds done."""

from pathlib import Path

import pytest

from mem_core.common.errors import SourceError
from mem_core.config import RunnerConfig
from mem_core.experiments.status import JOB
from tasks.protecting import (
    begin_protection,
    finish_fit,
    finish_protection,
    plan_publishing,
    publish_shard,
    train_surrogate,
    update_shard,
)
from tasks.workspace import ProtectJob
from tests.support.corpora import small, tiny_corpus


def job_of(tmp_path: Path, method: str) -> ProtectJob:
    if not (tmp_path / "clean").exists():
        tiny_corpus(tmp_path / "clean", 5, 4)
    config = small(method=method, rounds=1, surrogate={"steps_per_round": 1})
    runtime = RunnerConfig(device="cpu", precision="float32")
    return ProtectJob(clean=str(tmp_path / "clean"), dest=str(tmp_path / "dest"), config=config, runtime=runtime)


def publish(job: ProtectJob) -> tuple[int, dict[str, int]]:
    plan = plan_publishing.fn(job)
    made = finish_protection.fn(job, plan, [publish_shard.fn(job, shard) for shard in plan.waiting])
    return made.repeated, made.counts


def test_the_steps_of_a_fit_end_in_a_corpus_that_a_second_run_finds(tmp_path: Path) -> None:
    job = job_of(tmp_path, "mem")
    plan = begin_protection.fn(job)
    assert (plan.shards, plan.rounds, plan.fresh) == (("00000", "00001"), 1, True)
    assert (tmp_path / "dest" / JOB).is_file()
    train_surrogate.fn(job, 1)
    losses = [update_shard.fn(job, shard, 1) for shard in plan.shards]
    assert [update_shard.fn(job, shard, 1) for shard in plan.shards] == losses
    finish_fit.fn(job, [sum(losses) / 2])
    assert publish(job) == (0, {"protected": 9})
    assert not (tmp_path / "dest" / JOB).exists()
    again = begin_protection.fn(job)
    assert (again.rounds, again.fresh) == (0, False)
    assert publish(job) == (2, {"protected": 9})


def test_a_surrogate_that_learns_first_has_one_round_for_all_its_steps(tmp_path: Path) -> None:
    job = job_of(tmp_path, "uap")
    job = job.model_copy(update={"config": job.config.model_copy(update={"rounds": 3})})
    assert begin_protection.fn(job).rounds == 1


def test_a_protected_corpus_is_not_protected_again(tmp_path: Path) -> None:
    job = job_of(tmp_path, "random-noise")
    begin_protection.fn(job)
    publish(job)
    twice = job.model_copy(update={"clean": job.dest, "dest": str(tmp_path / "twice")})
    with pytest.raises(SourceError, match="would add up"):
        begin_protection.fn(twice)
