from pathlib import Path

import pytest

from tests.chaos.harness import Chaos, start_forking
from tests.s3.s3_fixtures import swift
from tests.support.corpora import tiny_corpus
from tests.support.ray_cluster import cluster

__all__ = ["cluster", "swift"]


@pytest.fixture(scope="session")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Chaos:
    """96 images in three shards, and the undisturbed run that all others are compared with."""
    start_forking()
    folder: Path = tmp_path_factory.mktemp("chaos")
    made = Chaos(tiny_corpus(folder / "clean", 32, 32, 32), folder)
    made.undisturbed("mem")
    return made
