"""`memshield bench` runs the source tree's benchmarks, and says so where there is no source tree."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import speed
from flows.cli.app import app


def test_an_unknown_benchmark_is_named_with_those_that_exist(capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["bench", "--quick", "--only", "teleport"])
    assert done.exit_code == 1
    assert "expected a benchmark out of PGD step, literal port" in capfd.readouterr().err


def test_an_installed_package_says_where_the_benchmarks_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speed, "_TREE", tmp_path)
    done = CliRunner().invoke(app, ["bench"])
    assert done.exit_code == 1
    assert "clone the repository and run `make bench`" in done.output
