"""The independent rerun: read where its file is, named with its line where it is wrong, shown beside ours."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.experiments.reproduce import Section, Shown, Study, load_scale
from mem_core.experiments.reproduce.paper.figure4 import FIGURE4
from mem_core.experiments.reproduce.rerun import FILE, read_rerun

HEADER = "dataset,method,run,epoch,hit10_i2t,hit10_t2i,medr_i2t,medr_t2i"
LINES = (
    "flickr8k,clean,A,0,0.9,0.8,796,514",
    "flickr8k,clean,A,2,17.7,18.6,91,78",
    "flickr8k,clean,A,1,23.7,20.2,61.0,69.0",
    "flickr8k,em,B,1,12.4,9.8,144,143",
    "flickr30k,clean,A,1,40,41,10,15",
)


def written(data: Path, *lines: str) -> Path:
    (data / FILE).parent.mkdir(parents=True, exist_ok=True)
    (data / FILE).write_text("\n".join(lines) + "\n")
    return data


def test_runs_come_in_order_of_epochs_under_the_names_of_our_rows(tmp_path: Path) -> None:
    runs = read_rerun(written(tmp_path, HEADER, *LINES))
    assert [(run.dataset, run.row, run.run) for run in runs] == [
        ("flickr8k", "clean", "A"),
        ("flickr8k", "em-16x-less", "B"),
        ("flickr30k", "clean", "A"),
    ]
    clean = runs[0]
    assert [one.epoch for one in clean.epochs] == [0, 1, 2]
    assert clean.epochs[-1].ranks == (91, 78)
    assert (clean.best.epoch, clean.best.ranks) == (1, (61, 69))


def test_without_data_or_without_the_file_there_are_no_runs(tmp_path: Path) -> None:
    assert read_rerun(None) == read_rerun(tmp_path) == []


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("dataset,method,run", "flickr8k,clean,A"), r"line 1: expected the columns .*, but epoch, hit10_i2t,"),
        ((HEADER, LINES[0], "flickr8k,clean,A,one,1,1,1,1"), r"line 3: expected numbers in epoch, .*'one'"),
        ((HEADER, "flickr8k,clean,A,1,1,1,1"), r"line 2: expected numbers"),
        ((HEADER, "flickr8k,clean,A,1,101,1,1,1"), r"line 2: expected hits from 0 to 100"),
        ((HEADER, "flickr8k,clean,A,1,1,1,nan,1"), r"line 2: expected hits .* median ranks from 1 on"),
        ((HEADER, ",clean,A,1,1,1,1,1"), r"line 2: expected a dataset, a method"),
        ((HEADER, LINES[0], LINES[0]), r"line 3: expected each epoch of a run once, got epoch 0 of flickr8k clean A"),
    ],
)
def test_a_malformed_file_gets_a_sentence_with_its_line(
    measured: Path, tmp_path: Path, lines: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(SourceError, match=rf"epochs\.csv, {sentence}"):
        read_rerun(written(tmp_path, *lines))
    section = _figure(measured, tmp_path)
    assert any("rerun is left out" in note and "epochs.csv" in note for note in section.notes)
    assert not section.tables


def test_other_bytes_than_text_are_named(tmp_path: Path) -> None:
    written(tmp_path, HEADER)
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match=r"as CSV in .*epochs\.csv, which cannot be read"):
        read_rerun(tmp_path)


def test_ours_stands_beside_the_rerun_at_the_last_and_the_best_epoch(measured: Path, tmp_path: Path) -> None:
    without = _figure(measured, tmp_path)
    section = _figure(measured, written(tmp_path, HEADER, *LINES))
    (table,) = section.tables
    assert all(len(row) == len(table.header) for row in table.rows)
    assert [row[:2] for row in table.rows] == [("Clean", "ours, 1 seed"), ("Clean", "rerun A")]  # EM was not measured
    assert table.rows[1][2:] == ("1,000", "2", "17.7 / 18.6", "91 / 78", "1", "23.7 / 20.2", "61 / 69")
    assert any("1,000 test images, these victims with 16" in note for note in section.notes)
    assert not without.tables
    assert "independent rerun" in section.pictures[0].caption
    assert "independent rerun" not in without.pictures[0].caption
    drawn, plain = (
        np.asarray(Image.open(io.BytesIO(each.pictures[0].png)).convert("RGB")) for each in (section, without)
    )
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()


def _figure(measured: Path, data: Path) -> Section:
    study = Study(LocalFolder(measured), load_scale("smoke"), data)
    cells = FIGURE4.cells(study, 0)
    section = FIGURE4.section(Shown(study, tuple(found for cell in cells if (found := study.result(cell)) is not None)))
    assert section is not None
    return section


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, *LINES) / FILE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [run.run for run in read_rerun(tmp_path)] == ["A", "B", "A"]
