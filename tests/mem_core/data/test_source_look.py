"""What is said of a source before it is sharded: ten layouts as the docs show them, and what is not gone through."""

from pathlib import Path

from mem_core.data.readers import detected_source
from mem_core.data.source_look import look_at_source
from tests.support.source_making import write_images
from tests.support.ten_layouts import BEGIN, DOCS, END, dry_runs


def test_the_docs_show_what_a_dry_run_says() -> None:
    assert DOCS.read_text().partition(BEGIN)[2].partition(END)[0] == dry_runs()


def test_a_limit_is_kept_and_said(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.jpg", "1.jpg", "2.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption\n0.jpg,one\n1.jpg,...\n2.jpg,two\n")
    seen = look_at_source(*detected_source(tmp_path), limit=2)
    assert (seen.images["train"], seen.samples, seen.failed.counts) == (1, [("0.jpg", "one")], {"empty-caption": 1})
    assert list(seen.lines())[-1] == "only the first images were counted, as a limit was given"


def test_pictures_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"no picture at all")
    (tmp_path / "captions.csv").write_text("image,caption\n0.jpg,one\ngone.jpg,two\n")
    seen = look_at_source(*detected_source(tmp_path))
    assert (seen.images, seen.failed.counts) == ({"train": 1}, {"no-image": 1})
