"""A report on what a pipeline has left: the rows and seeds asked for, or whatever is there."""

import json
from pathlib import Path

import pytest

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import parse_config
from mem_core.experiments.config import RUN_NAME, RunConfig, read_run, write_run
from mem_core.experiments.direct_steps import DirectSteps
from mem_core.experiments.row_runner import plan_run, run_row
from mem_core.experiments.run_report import report_run
from mem_core.victim.evaluation import evaluate_victim
from tests.support.corpora import tiny_corpus


@pytest.fixture(scope="module")
def config() -> RunConfig:
    victim = {"architecture": "tiny-resnet-32", "epochs": 1, "batch_size": 8}
    settings = {"name": "small", "rows": ["random-noise", "clean"], "victim_seeds": [5, 3], "victim": victim}
    return parse_config(RunConfig, settings | {"runtime": {"device": "cpu"}}, "test")


@pytest.fixture(scope="module")
def run(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    folder = LocalFolder(tmp_path_factory.mktemp("run"))
    tiny_corpus(folder.path / "clean/train", 8)
    test = tiny_corpus(folder.path / "clean/test", 6)
    for plan in plan_run(config):
        run_row(plan, DirectSteps(folder, config.runtime, config.seed))
        for victim in plan.victims:
            evaluate_victim(folder.below(victim.out), test, victim.queries, config.runtime)
    return folder


def test_the_rows_and_seeds_of_a_config_are_shown(run: LocalFolder, config: RunConfig) -> None:
    found = report_run(run, config)
    assert {row.name: row.seeds for row in found.findings.rows} == {"clean": 2, "random-noise": 2}
    written = json.loads((run.path / "report/report.json").read_text())
    assert [(row["name"], row["seeds"]) for row in written["rows"]] == [("random-noise", [3, 5]), ("clean", [3, 5])]
    assert (written["subtitle"], written["config"]["name"]) == ("preset small", "small")
    assert "pictures/montage.png" in found.pictures
    one = report_run(run, config.model_copy(update={"rows": ("clean",), "victim_seeds": (3,)}))
    assert {row.name: row.seeds for row in one.findings.rows} == {"clean": 1}


def test_a_folder_without_settings_shows_every_method_and_seed_that_is_there(run: LocalFolder) -> None:
    assert read_run(run) is None
    found = report_run(run)
    assert {row.name: row.seeds for row in found.findings.rows} == {"clean": 2, "random-noise": 2}
    assert json.loads((run.path / "report/report.json").read_text())["config"] == {}


def test_settings_are_kept_and_a_folder_without_victims_is_one_sentence(config: RunConfig, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    assert [write_run(folder, config), write_run(folder, config)] == [True, False]
    assert read_run(folder) == config
    with pytest.raises(SourceError, match=r"expected evaluated victims in .*/rows/<row>/victim-<seed>"):
        report_run(folder)
    (tmp_path / RUN_NAME).write_text('{"rows": 3}')
    with pytest.raises(MismatchError, match=r"expected a pipeline's settings in .*run\.json, got: "):
        report_run(folder)
