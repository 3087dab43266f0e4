"""The paper's own values: whole, under names that the study knows, shown beside ours with what is odd about them."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from mem_core.common.storage.folder import LocalFolder
from mem_core.experiments.reproduce import Study, load_scale
from mem_core.experiments.reproduce.datasets import DATASETS
from mem_core.experiments.reproduce.paper import EXPERIMENTS
from mem_core.experiments.reproduce.paper_values import paper_notes, paper_value

VALUES = json.loads((files("mem_core.experiments.reproduce") / "paper_values.json").read_text(encoding="utf-8"))
EVERY = tuple(DATASETS)


def test_every_value_is_of_a_table_dataset_victim_and_row_that_the_study_shows() -> None:
    shown = {experiment.name: experiment for experiment in EXPERIMENTS}
    assert list(VALUES["values"]) == ["table1", "table2", "table3", "table4"]
    for table, datasets in VALUES["values"].items():
        assert set(datasets) == set(shown[table].datasets)
        for victims in datasets.values():
            assert set(victims) <= set(shown[table].victims)
            for rows in victims.values():
                assert set(rows) <= set(shown[table].rows)
                for hits_i, hits_t, medr_i, medr_t in rows.values():
                    assert (hits_i is None) == (hits_t is None)
                    assert min(medr_i, medr_t) >= 1


def test_values_are_shown_as_printed_and_what_is_not_printed_as_a_dash() -> None:
    assert paper_value("table1", "flickr8k", "main", "mem-3") == "4.1 / 3.7, 304 / 250"
    assert paper_value("table3", "coco", "main", "mem-3-fluent") == "\N{EN DASH}, 1356 / 1028"
    assert paper_value("table4", "pubfig", "faces-rn101", "faces-mem-5") == "12.7 / 12.7, 58 / 58"
    assert paper_value("table1", "flickr8k", "main", "random-trigger") == "\N{EN DASH}"


def test_every_note_stands_below_a_table_and_below_none_that_it_does_not_speak_of() -> None:
    below = {table: paper_notes(table, EVERY) for table in VALUES["values"]}
    for note in VALUES["notes"]:
        assert any(told.endswith(note) for notes in below.values() for told in notes)
    starts = {"Table 1": "table1", "Table 2": "table2", "Table 3": "table3", "Table 4": "table4"}
    for table, notes in below.items():
        assert "the paper prints none" in notes[0]
        assert any("in the paper's text alone" in note for note in notes)
        for start, own in starts.items():
            assert any(note.startswith(f"The paper's values. {start}") for note in notes) == (own == table)
    assert paper_notes("figure4", EVERY) == ()


@pytest.mark.parametrize(("datasets", "told"), [(("flickr8k", "pubfig"), False), (("flickr8k", "coco"), True)])
def test_what_is_odd_about_coco_is_said_where_coco_is_shown(datasets: tuple[str, ...], told: bool) -> None:
    assert any("82,783" in note for note in paper_notes("table1", datasets)) == told


def test_tables_1_to_3_are_of_all_three_datasets_at_scale_paper(tmp_path: Path) -> None:
    study = Study(LocalFolder(tmp_path), load_scale("paper"))
    for experiment in EXPERIMENTS[:3]:
        cells = {cell.dataset for cell in experiment.cells(study, 0)}
        assert cells == {"flickr8k", "flickr30k", "coco", "coco-karpathy"}
