"""The drawn corpus: repeatable, without twins, in a format that our own reader takes."""

from pathlib import Path

import pytest
from PIL import Image

from mem_core.common.errors import ConfigError, DestinationError
from mem_core.data.readers import open_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    first = draw_corpus(tmp_path / "a", 12, 4, size=32, seed=3)
    draw_corpus(tmp_path / "b", 12, 4, size=32, seed=3)
    draw_corpus(tmp_path / "c", 12, 4, size=32, seed=4)
    assert contents(first) == contents(tmp_path / "b")
    assert contents(first)["images/00000.png"] != contents(tmp_path / "c")["images/00000.png"]


def test_a_longer_corpus_starts_like_a_shorter_one(tmp_path: Path) -> None:
    short, long = (
        contents(draw_corpus(tmp_path / "a", 4, 0, size=32)),
        contents(draw_corpus(tmp_path / "b", 8, 2, size=32)),
    )
    images = [name for name in short if name.startswith("images/")]
    assert len(images) == 4
    assert all(long[name] == short[name] for name in images)


def test_the_csv_reader_takes_it(tmp_path: Path) -> None:
    samples = list(open_source(draw_corpus(tmp_path / "a", 60, 20, size=48)))
    assert [sample.split for sample in samples] == ["train"] * 60 + ["test"] * 20
    assert all(len(set(sample.captions)) == 5 and not sample.problem for sample in samples)
    assert len({sample.image() for sample in samples}) == 80
    with Image.open(tmp_path / "a" / samples[3].name) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (48, 48), "RGB")


def test_it_is_left_alone_when_done_and_never_drawn_over_other_data(tmp_path: Path) -> None:
    folder = draw_corpus(tmp_path / "a", 3, 1, size=16)
    before = (folder / "captions.csv").stat().st_mtime_ns
    assert draw_corpus(folder, 3, 1, size=16) == folder
    assert (folder / "captions.csv").stat().st_mtime_ns == before
    with pytest.raises(DestinationError, match="use another folder"):
        draw_corpus(folder, 4, 1, size=16)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DestinationError, match="holds other data"):
        draw_corpus(tmp_path / "mine", 3, 1)
    with pytest.raises(ConfigError, match="got 0, 1 and 0"):
        draw_corpus(tmp_path / "b", 0, 1)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_corpus(tmp_path / "a", 101, 0, size=16, progress=lambda done, total, detail="": seen.append((done, total)))
    assert seen == [(100, 101), (101, 101)]
