"""One protection a job and device, the least busy device first, and what is let go."""

from pathlib import Path

import pytest
import torch

from mem_core.common.errors import ConfigError
from mem_core.config import RunnerConfig
from tasks import workspace
from tasks.workspace import ProtectJob, computing, forget, protection_of
from tests.support.corpora import small, tiny_corpus


def job_of(tmp_path: Path, name: str = "dest", **runtime: object) -> ProtectJob:
    if not (tmp_path / "clean").exists():
        tiny_corpus(tmp_path / "clean", 3)
    return ProtectJob(
        clean=str(tmp_path / "clean"),
        dest=str(tmp_path / name),
        config=small(method="random-noise"),
        runtime=RunnerConfig(**{"device": "cpu", **runtime}),  # type: ignore[arg-type]
    )


def test_a_job_is_opened_once_until_it_is_forgotten(tmp_path: Path) -> None:
    job = job_of(tmp_path)
    first = protection_of(job)
    with computing(job) as same:
        assert same is first
    forget(job)
    assert protection_of(job) is not first


def test_few_jobs_are_held_open(tmp_path: Path) -> None:
    jobs = [job_of(tmp_path, f"dest-{number}") for number in range(3)]
    first = protection_of(jobs[0])
    for job in jobs[1:]:
        protection_of(job)
    assert len(workspace._open) == 2
    assert protection_of(jobs[0]) is not first


def test_tasks_at_the_same_time_take_different_devices_and_share_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names of the one device that every machine has."""
    job = job_of(tmp_path)
    monkeypatch.setattr(workspace, "_devices", lambda _: ("cpu", "auto"))
    with computing(job) as one, computing(job) as other:
        assert {one.runtime.device, other.runtime.device} == {"cpu", "auto"}
        assert one._corpus is other._corpus
    with computing(job) as again:
        assert again is one


def test_tasks_at_the_same_time_share_the_threads_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_threads = torch.get_num_threads()
    monkeypatch.setattr("mem_core.models.device._ALL_THREADS", 6)
    with computing(job_of(tmp_path, workers=3)):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 6
    torch.set_num_threads(all_threads)


def test_a_device_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a device of this machine"):
        protection_of(job_of(tmp_path, device="auto", devices=("cuda:7",)))
