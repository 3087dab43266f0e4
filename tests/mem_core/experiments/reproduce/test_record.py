"""A study's folder knows its scale; one made before there were records is known by its report."""

import json
from pathlib import Path

import pytest

from mem_core.common.errors import DestinationError, MismatchError
from mem_core.common.storage.folder import LocalFolder
from mem_core.experiments.reproduce import StudyScale, load_scale
from mem_core.experiments.reproduce.scale import RECORD, claim_folder, require_own


def reported(path: Path, scale: object) -> LocalFolder:
    (path / "report").mkdir(parents=True)
    (path / "report" / "report.json").write_text(json.dumps({"format": 1, "scale": scale}))
    return LocalFolder(path)


@pytest.mark.parametrize("name", ["smoke", "cpu", "paper"])
def test_the_same_scale_goes_on_and_another_does_not(name: str, tmp_path: Path) -> None:
    folder, scale = LocalFolder(tmp_path), load_scale(name)
    claim_folder(folder, scale)
    written = (tmp_path / RECORD).read_bytes()
    claim_folder(folder, StudyScale.model_validate_json(scale.model_dump_json()))
    more = {"seeds": 7, "runtime": {"device": "cpu"}, "datasets": ["coco"], "leave_out": ["clean"], "about": "longer"}
    claim_folder(folder, load_scale(name, more))
    assert (tmp_path / RECORD).read_bytes() == written
    with pytest.raises(DestinationError, match=rf"belongs to scale {name} with other settings \(victim.epochs\)"):
        claim_folder(folder, load_scale(name, {"victim": {"epochs": 77}}))
    with pytest.raises(DestinationError, match=rf"of scale mine, but .* belongs to scale {name}: choose another"):
        claim_folder(folder, load_scale(name, {"name": "mine"}))


def test_a_folder_without_a_record_is_known_by_its_report_or_taken(tmp_path: Path) -> None:
    smoke, cpu = load_scale("smoke"), load_scale("cpu")
    known = reported(tmp_path / "known", smoke.model_dump(mode="json"))
    with pytest.raises(DestinationError, match="belongs to scale smoke"):
        require_own(known, cpu)
    claim_folder(known, smoke)
    assert known.exists(RECORD)
    (tmp_path / "begun" / "datasets").mkdir(parents=True)
    claim_folder(LocalFolder(tmp_path / "begun"), cpu)


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="or of another version: choose another folder"):
        require_own(reported(tmp_path / "old", {"name": "cpu", "gone": 1}), load_scale("cpu"))
    (tmp_path / RECORD).write_text("{}")
    with pytest.raises(MismatchError, match=r"expected the record of a study in .*/scale\.json, got: "):
        require_own(LocalFolder(tmp_path), load_scale("cpu"))
