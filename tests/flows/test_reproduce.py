"""`memshield reproduce` through a real server: the plan that mem_core runs alone."""

from pathlib import Path

import pytest

from flows.reproduce import reproduce
from mem_core.data.folder import LocalFolder
from mem_core.errors import ConfigError
from mem_core.study import Study, load_scale, make_plan


def test_the_flow_goes_on_where_it_was_left_and_shows_it(prefect_api: str, tmp_path: Path) -> None:
    scale = load_scale("smoke").model_copy(update={"victims": {"rn50": {}}})
    report = reproduce(str(tmp_path), scale, only=("table2",), minutes=0)
    assert (report.done, report.total) == (0, 3)
    report = reproduce(str(tmp_path), scale, only=("table2",))
    assert (report.done, report.total, report.sections) == (3, 3, ("table2",))
    study = Study(LocalFolder(tmp_path), scale)
    assert not make_plan(study, ["table2"]).waiting(study)
    assert "MEM-5" in (tmp_path / "report" / report.page).read_text()


def test_an_unknown_experiment_is_one_sentence(prefect_api: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an experiment out of"):
        reproduce(str(tmp_path), load_scale("smoke"), only=("table77",))
