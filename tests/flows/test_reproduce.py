"""`memshield reproduce` through a real server: the plan that mem_core runs alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from flows.reproduce import reproduce
from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder
from mem_core.experiments.reproduce import Study, load_scale, make_plan
from tests.support.command_line import Command


def test_the_flow_goes_on_where_it_was_left_and_shows_it(prefect_api: str, tmp_path: Path) -> None:
    scale = load_scale("smoke").model_copy(update={"victims": {"rn50": {}}})
    report = reproduce(str(tmp_path), scale, only=("table2",), minutes=0)
    assert (report.done, report.total) == (0, 3)
    report = reproduce(str(tmp_path), scale, only=("table2",))
    assert (report.done, report.total, report.sections) == (3, 3, ("table2",))
    study = Study(LocalFolder(tmp_path), scale)
    assert not make_plan(study, ["table2"]).waiting(study)
    assert "MEM-5" in (tmp_path / "report" / report.page).read_text()


def test_experiments_may_be_named_together_or_one_by_one(command: Command, prefect_api: str, tmp_path: Path) -> None:
    smoke = ("--scale", "smoke", "--minutes", "0", "--no-server")
    for number, named in enumerate((("--only", "table2, schedules"), ("--only", "table2", "--only", "schedules"))):
        found = command("reproduce", tmp_path / str(number), *smoke, *named)
        both = len(make_plan(Study(LocalFolder(tmp_path), load_scale("smoke")), ["table2", "schedules"]).cells)
        assert f"0 of {both} cells measured" in found.output, found.output


def test_an_unknown_experiment_is_one_sentence(prefect_api: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an experiment out of"):
        reproduce(str(tmp_path), load_scale("smoke"), only=("table77",))


def test_a_folder_of_another_scale_is_refused_and_untouched(
    command: Command, prefect_api: str, tmp_path: Path, read_tree: Callable[[Path], dict[str, bytes]]
) -> None:
    dest, data, changed = tmp_path / "dest", tmp_path / "nowhere", tmp_path / "smoke.yaml"
    smoke = ("--scale", "smoke", "--only", "table2", "--minutes", "0", "--no-server")
    begun = command("reproduce", dest, *smoke, "--data", data)
    assert (begun.exit_code, "--data is not used: scale smoke draws" in begun.output) == (0, True), begun.output
    files = read_tree(dest)
    refused = command("reproduce", dest, "--scale", "cpu", "--data", data, "--no-server")
    assert refused.exit_code == 1
    assert refused.stderr.rstrip().endswith(f"of scale cpu, but {dest} belongs to scale smoke: choose another folder")
    changed.write_text(yaml.safe_dump(load_scale("smoke", {"drawn": {"train": 44}}).model_dump(mode="json")))
    refused = command("reproduce", dest, "--scale", changed, "--no-server")
    assert (refused.exit_code, "scale smoke with other settings (drawn.train)" in refused.stderr) == (1, True)
    assert read_tree(dest) == files
    again = command("reproduce", dest, *smoke)
    assert (again.exit_code, "--data" in again.output) == (0, False), again.output
    assert read_tree(dest) == files


def test_pictures_that_are_no_dataset_are_one_sentence(command: Command, prefect_api: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "captions.csv").write_text("image,caption\na.jpg,a cat\n")
    found = command("reproduce", tmp_path / "dest", "--data", tmp_path / "photos", "--no-server")
    assert (found.exit_code, "there is no flickr8k/ in" in found.stderr) == (1, True), found.output
    assert not (tmp_path / "dest").exists()
