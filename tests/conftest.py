"""What tests of flows and tasks share: one Prefect server a session, one small drawn corpus, the smoke settings."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

from mem_core.experiments.config import RunConfig

# Time is measured in benchmarks/, never in a test: a busy machine must not fail a law.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """The address of a real Prefect server with an empty database, for this session."""
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    setup_logging()  # now, or the first command of a test does it, and its console is closed when that test ends
    once = subprocess.Popen

    def as_ours_are(args: list[str], **kwargs: Any) -> "subprocess.Popen[bytes]":
        place = args.index("-m")
        return once([*args[: place + 1], "flows.local_server.serve", *args[place + 1 :]], **kwargs)

    with ExitStack() as stack:
        with patch("prefect.server.api.server.subprocess.Popen", as_ours_are):
            stack.enter_context(prefect_test_harness(server_startup_timeout=120))
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def drawn_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A csv source of 64 training, 16 test and 8 validation images of 32 pixels, five captions each."""
    from mem_core.data.synthetic.shapes_corpus import draw_corpus

    return draw_corpus(tmp_path_factory.mktemp("source") / "drawn", 64, 16, size=32, seed=3, validation_count=8)


@pytest.fixture(scope="session")
def smoke() -> RunConfig:
    """The preset `smoke` in shards of 24, so that there are three of them."""
    from flows.cli.presets import load_preset

    return load_preset("smoke", ["corpus.samples_per_shard=24"])


@pytest.fixture(scope="session")
def clean_corpus(drawn_source: Path, smoke: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn source in shards: train/, test/ and val/."""
    from mem_core.common.storage.folder import LocalFolder
    from mem_core.data.readers import open_source
    from mem_core.data.sharding.sharder import shard_source

    dest = tmp_path_factory.mktemp("corpus") / "clean"
    shard_source(open_source(drawn_source), LocalFolder(dest), smoke.corpus)
    return dest


@pytest.fixture(scope="session")
def read_tree() -> Callable[[Path], dict[str, bytes]]:
    """All files below a folder, by relative name."""

    def read(folder: Path) -> dict[str, bytes]:
        found = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}

    return read
