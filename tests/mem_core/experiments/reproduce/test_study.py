"""A study on drawn pictures, really run: whole, in pieces, and shown."""

import json
from pathlib import Path

import pytest

from mem_core.common.errors import MismatchError
from mem_core.common.progress import Paused
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.experiments.reproduce import Study, load_scale, make_plan, run_study, write_study
from mem_core.experiments.reproduce.run import prepare_all, run_cell


def test_every_cell_has_its_result_and_a_second_run_does_nothing(measured: Path) -> None:
    study = Study(LocalFolder(measured), load_scale("smoke"))
    plan = make_plan(study, ["table2"])
    files = {path: path.stat().st_mtime_ns for path in measured.rglob("*") if path.is_file()}
    assert run_study(study, plan) == 0
    assert files == {path: path.stat().st_mtime_ns for path in measured.rglob("*") if path.is_file()}
    for cell in plan.cells:
        result = study.result(cell)
        assert result is not None
        assert result.evaluation.images == 16
        assert result.evaluation.prefix == " ".join(["the"] * (5 if cell.row == "mem-5" else 3))


def test_left_at_any_checkpoint_it_goes_on_to_the_same_result(measured: Path, tmp_path: Path) -> None:
    whole, study = (Study(LocalFolder(path), load_scale("smoke")) for path in (measured, tmp_path))
    plan = make_plan(study, ["table2"])
    cell = next(cell for cell in plan.cells if cell.row == "mem-3")
    prepare_all(study, plan)
    pauses = 0
    while study.result(cell) is None:
        left = [2 * pauses]  # checkpoints that this sitting passes

        def checkpoint(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Paused

        try:
            run_cell(study, cell, lambda text: None, checkpoint=checkpoint)
        except Paused:
            pauses += 1
        assert pauses < 20
    assert pauses > 1
    ours, theirs = study.result(cell), whole.result(cell)
    assert ours is not None
    assert theirs is not None
    assert ours.evaluation.bare == theirs.evaluation.bare
    assert [epoch.loss for epoch in ours.history] == [epoch.loss for epoch in theirs.history]


def test_a_corpus_that_an_older_version_made_otherwise_is_not_measured(tmp_path: Path) -> None:
    study = Study(LocalFolder(tmp_path), load_scale("smoke"))
    study.prepare("flickr8k", "pair")
    study.prepare("flickr8k", "pair")
    clean = study.clean("flickr8k", "pair")
    mark = json.loads(read_bytes(clean, "sharding.json"))
    mark["corpus"]["one_sample_per"] = "pair"  # version 0.3.0: captions of a photo side by side
    write_bytes(clean, "sharding.json", json.dumps(mark).encode())
    with pytest.raises(MismatchError, match=r"got one_sample_per pair, shuffled \(it was pair\)"):
        study.prepare("flickr8k", "pair")


def test_sharding_killed_before_the_validation_split_is_concluded_is_ended_first(tmp_path: Path) -> None:
    """Else victims would be measured without a best epoch, as if there were no pairs to choose one by."""
    study = Study(LocalFolder(tmp_path), load_scale("smoke"))
    study.prepare("flickr8k", "image")
    assert study.validation("flickr8k") is not None
    study.clean("flickr8k", "image").delete("val/manifest.json")
    assert study.validation("flickr8k") is None
    study.prepare("flickr8k", "image")
    assert study.validation("flickr8k") is not None


def test_no_time_at_all_measures_nothing_and_says_so(tmp_path: Path) -> None:
    study = Study(LocalFolder(tmp_path), load_scale("smoke"))
    plan = make_plan(study, ["table2"])
    said: list[str] = []
    assert run_study(study, plan, minutes=0, say=said.append) == len(plan.cells)
    assert "the same command goes on" in said[-1]
    assert write_study(study, plan, study.folder.below("report")).done == 0
    assert "0 of 6 cells" in (tmp_path / "report/report.html").read_text()


def test_the_page_shows_what_is_there_and_equal_results_give_equal_bytes(measured: Path, tmp_path: Path) -> None:
    study = Study(LocalFolder(measured), load_scale("smoke"))
    plan = make_plan(study)  # most of its cells are not measured
    made = [write_study(study, plan, LocalFolder(tmp_path / name)) for name in ("a", "b")]
    assert made[0].done == 6
    assert made[0].total == len(plan.cells)
    assert "table2" in made[0].sections
    page = (tmp_path / "a/report.html").read_text()
    assert "6 of" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    data = json.loads((tmp_path / "a/report.json").read_text())
    assert {cell["cell"]["row"] for cell in data["cells"]} == {"clean", "mem-3", "mem-5"}
    table = next(section for section in data["sections"] if section["name"] == "table2")["tables"][0]
    assert all(len(row) == len(table["header"]) for row in table["rows"])
    printed = {(row[0], row[2]): row[-1] for row in table["rows"]}
    assert printed["rn50", "Clean"] == "\N{EN DASH}, 58 / 60"
    assert printed["rn50", "MEM-3"] == "\N{EN DASH}, 308 / 275"
    assert printed["rn50", "MEM-5"] == printed["siglip", "MEM-3"] == "\N{EN DASH}"
    for name in ("report.html", "report.md", "report.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_damaged_result_is_named(measured: Path, tmp_path: Path) -> None:
    study = Study(LocalFolder(tmp_path), load_scale("smoke"))
    (cell, *_) = make_plan(study, ["table2"]).cells
    place = tmp_path / cell.file
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    with pytest.raises(MismatchError, match="expected a result in"):
        study.result(cell)
