"""What is said of a source before it is sharded: ten layouts as the docs show them, and what is not gone through."""

from pathlib import Path

import pytest

from mem_core.config import CorpusConfig
from mem_core.data.readers import open_source
from mem_core.data.source_look import look_at_source
from tests.support.source_making import write_images
from tests.support.ten_layouts import BEGIN, DOCS, END, dry_runs


def test_the_docs_show_what_a_dry_run_says() -> None:
    assert DOCS.read_text().partition(BEGIN)[2].partition(END)[0] == dry_runs()


def test_a_limit_is_kept_and_said(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.jpg", "1.jpg", "2.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption\n0.jpg,one\n1.jpg,...\n2.jpg,two\n")
    seen = look_at_source(open_source(tmp_path), limit=2)
    assert (seen.images["train"], seen.samples, seen.failed.counts) == (1, [("0.jpg", "one")], {"empty-caption": 1})
    assert list(seen.lines())[-1] == "only the first images were counted, as a limit was given"


def test_pictures_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"no picture at all")
    (tmp_path / "captions.csv").write_text("image,caption\n0.jpg,one\ngone.jpg,two\n")
    seen = look_at_source(open_source(tmp_path))
    assert (seen.images, seen.failed.counts) == ({"train": 1}, {"no-image": 1})


def test_what_is_protected_already_is_told_before(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.jpg"])
    (tmp_path / "0.json").write_text('{"caption": "one", "memshield": {"method": "mem"}}')
    assert look_at_source(open_source(tmp_path)).failed.counts == {"protected-already": 1}
    assert look_at_source(open_source(tmp_path, config=CorpusConfig(protected="accept"))).images == {"train": 1}


@pytest.mark.parametrize("format", ["beside", "csv", "identities"])
def test_pictures_that_are_links_to_elsewhere_are_told_before(tmp_path: Path, format: str) -> None:
    write_images(tmp_path / "elsewhere", ["0.jpg"])
    source = tmp_path / "source"
    (source / "Ada").mkdir(parents=True)
    (source / "Ada" / "0.jpg").symlink_to(tmp_path / "elsewhere" / "0.jpg")
    (source / "Ada" / "0.txt").write_text("words")
    (source / "list.csv").write_text("image,caption\nAda/0.jpg,words\n")
    seen = look_at_source(open_source(source, format=format))
    assert (dict(seen.images), seen.failed.counts) == ({}, {"outside": 1})
    assert "copy what it stands for" in seen.failed.examples["outside"]
    assert list(seen.lines())[-1] == "nothing could be published: sharding would refuse this source"
