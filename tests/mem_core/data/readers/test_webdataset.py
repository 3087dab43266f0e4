"""Tars of img2dataset, whole or broken, as a source."""

from pathlib import Path

import pytest

from mem_core.common.errors import SourceError
from mem_core.data.readers import open_source
from tests.support.source_making import picture, write_tar


def test_names_captions_and_metadata_come_through(tmp_path: Path) -> None:
    image = picture("a")
    (tmp_path / "train").mkdir()
    members = {"000000000.jpg": image, "000000000.txt": b"words", "000000000.json": b'{"url": "x", "width": 3}'}
    members |= {"000000001.jpg": image, "000000001.json": b'{"captions": ["one", "two"], "name": "b.jpg"}'}
    members |= {"000000002.jpg": image}
    write_tar(tmp_path / "train" / "00000.tar", members)
    first, second, third = open_source(tmp_path)
    assert (first.name, first.captions, first.split) == ("train/00000/000000000", ("words",), "train")
    assert (first.metadata, first.image()) == ({"url": "x"}, image)
    assert (second.name, second.captions) == ("b.jpg", ("one", "two"))
    assert (third.name, third.split) == ("train/00000/000000002", "train")
    assert "expected a caption" in third.problem


def test_a_tar_cut_short_stops(tmp_path: Path) -> None:
    path = tmp_path / "00000.tar"
    write_tar(path, {"a.jpg": picture("a"), "a.txt": b"words"})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(SourceError, match="00000"):
        list(open_source(path))
