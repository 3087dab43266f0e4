from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder
from mem_core.experiments.reproduce import Study, load_scale, make_plan, run_study


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table 2 at scale smoke, measured to the end. Not to be changed."""
    path = tmp_path_factory.mktemp("study")
    study = Study(LocalFolder(path), load_scale("smoke"))
    assert run_study(study, make_plan(study, ["table2"])) == 0
    return path
