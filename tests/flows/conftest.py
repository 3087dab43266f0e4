"""The command line inside the test's own process."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.support.command_line import Command
from tests.support.ray_cluster import cluster

__all__ = ["cluster"]


@pytest.fixture
def command(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs `memshield ARGUMENTS`; what it sets in the environment and in Prefect is put back.

    Else a process in which `--no-server` was once meant would drop the events of all later runs, and with them every
    record of a task.
    """
    from prefect.events.worker import EventsWorker

    from flows.cli.app import app

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    monkeypatch.setattr(EventsWorker, "_client_override", None)
    with patch.dict(os.environ):
        yield run
