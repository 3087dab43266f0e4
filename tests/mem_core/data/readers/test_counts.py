"""Every entry of a source costs itself alone, and every picture of it is counted once."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mem_core.data.readers import RawSample, open_source
from tests.support.source_making import picture, write_images, write_tar


def coco(root: Path, images: object, annotations: object, **more: object) -> list[RawSample]:
    path = root / "annotations" / "captions_train2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, **more}))
    return list(open_source(root))


def test_two_images_of_one_coco_id_both_fail_with_their_captions_counted(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    images = [{"id": key, "file_name": name} for key, name in ((1, "a.jpg"), ("7", "b.jpg"), (7, "c.jpg"))]
    captions = [
        {"image_id": key, "caption": text}
        for key, text in ((1, "of a"), (7, "of b or c"), ("7", "of either"), (1, "of a"))
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "captions_val.json").write_text(json.dumps({"images": images, "annotations": captions}))
    reader = open_source(tmp_path)
    a, b, c = reader
    told = list(reader.left_out)
    assert ([sample.name for sample in reader], reader.left_out) == (["a.jpg", "b.jpg", "c.jpg"], told)
    assert (a.captions, a.problem) == (("of a",), "")
    for sample in (b, c):
        assert (sample.captions, sample.code) == ((), "duplicate")
        assert "7 is that of b.jpg and c.jpg, so that nobody knows whose" in sample.problem
    assert [(left.what, left.code) for left in reader.left_out] == [("caption", "duplicate")] * 3
    assert reader.left_out[-1].reason.startswith("captions_val.json: image id 1: expected another caption")


@pytest.mark.parametrize(
    ("image", "annotation", "captions"),
    [
        ({"id": "x1"}, {"image_id": "x1"}, ("words",)),
        ({"id": 1.0}, {"image_id": "1"}, ("words",)),
        ({"id": 1, "license": True}, {"image_id": 1}, ("words",)),
        ({"id": 1, "license": {}}, {"image_id": 1}, ("words",)),
        ({"id": True}, {"image_id": True}, None),
        ({"id": 1.5}, {"image_id": 1.5}, None),
        ({"id": float("nan")}, {"image_id": float("nan")}, None),
        ({"id": None}, {"image_id": None}, None),
        ({"id": [1]}, {"image_id": [1]}, None),
        ({"id": 1}, {"image_id": 1, "caption": ["words"]}, ()),
        ({"id": 1, "file_name": 3}, {"image_id": 1}, None),
        ({"id": 1, "file_name": ""}, {"image_id": 1}, None),
        ({"id": 1, "file_name": "\ud800.jpg"}, {"image_id": 1}, None),
    ],
)
def test_ids_of_coco_are_numbers_or_texts(
    tmp_path: Path, image: dict[str, object], annotation: dict[str, object], captions: tuple[str, ...] | None
) -> None:
    write_images(tmp_path, ["a.jpg"])
    entries = [{"file_name": "a.jpg", **image}], [{"caption": "words", **annotation}]
    samples = coco(tmp_path, *entries, licenses=[{"id": 1, "name": "free"}, 3, {"id": {}}])
    good = [sample for sample in samples if not sample.problem and sample.name == "a.jpg"]
    assert [sample.captions for sample in good] == ([] if captions is None else [captions])


@pytest.fixture
def odd_tree(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "source"
    write_images(root, ["in/a.jpg", "in/b.jpg"])
    write_images(tmp_path / "elsewhere", ["c.jpg"])
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "one.jpg").symlink_to("two.jpg")
    (root / "two.jpg").symlink_to("one.jpg")
    (root / "nothing.jpg").symlink_to("gone.jpg")
    (root / "loop").symlink_to(".")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "out.jpg").symlink_to(tmp_path / "elsewhere" / "c.jpg")
    os.mkfifo(root / "pipe.jpg")
    os.mkfifo(root / "pipe")
    (root / "caf\udce9.jpg").write_bytes(picture("odd"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.png"))
        yield root


@pytest.mark.parametrize(
    "name", ["0.tar.xz", "more/images.zip", "captions.csv.gz", "train/data-00000.arrow", "0.tfrecord"]
)
def test_what_is_packed_is_counted_as_a_shard_of_unknown_content(tmp_path: Path, name: str) -> None:
    write_tar(tmp_path / "a.tar", {"1.jpg": picture("1"), "1.txt": b"one"})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"packed")
    reader = open_source(tmp_path)
    assert [sample.captions for sample in reader] == [("one",)]
    assert [(left.name, left.what, left.code) for left in reader.left_out] == [(name, "shard", "unreadable")]


def test_what_is_no_file_costs_itself(odd_tree: Path) -> None:
    (odd_tree / "captions.csv").write_text("image,caption\nin/a.jpg,one\npipe.jpg,two\nlinked/c.jpg,three\n")
    reader = open_source(odd_tree)
    samples = {sample.name: sample for sample in reader}
    assert {name: sample.code for name, sample in samples.items() if sample.problem} == {
        "in/b.jpg": "no-caption",
        "out.jpg": "no-caption",
        "caf\ufffd.jpg": "no-caption",
    }
    assert {left.name: left.code for left in reader.left_out} == {
        **dict.fromkeys(("loop.jpg", "one.jpg", "two.jpg", "nothing.jpg", "socket.png"), "unreadable"),
        "linked": "outside",
    }
    for name, words in (
        ("pipe.jpg", "but pipe.jpg is no file with bytes"),
        ("linked/c.jpg", "but linked is a link to a folder outside, and such links are not followed"),
    ):
        with pytest.raises(Exception, match=words):
            samples[name].image()


def test_a_folder_that_may_not_be_read_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, ["a.jpg", "lost/b.jpg", "lost/deep/c.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,one\nlost/b.jpg,two\n")
    scan = os.scandir

    def refusing(path: os.PathLike[str]) -> object:
        if os.fspath(path).rstrip("/").endswith("lost"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    reader = open_source(tmp_path)
    a, b = reader
    assert (a.problem, a.image()) == ("", picture("a.jpg"))
    with pytest.raises(Exception, match="but lost cannot be read: Permission denied"):
        b.image()
    assert [(left.name, left.code) for left in reader.left_out] == [("lost", "unreadable")]


def test_a_path_longer_than_the_system_takes_costs_itself(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,one\n")
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.chdir(here)
    reader = open_source(tmp_path)
    assert [sample.name for sample in reader] == ["a.jpg"]
    (left,) = reader.left_out
    assert left.reason.endswith("cannot be read: File name too long")


def test_pictures_beside_samples_that_carry_theirs_are_left_out(tmp_path: Path) -> None:
    write_images(tmp_path, ["loose.jpg", "deep/er/cover.png"])
    write_tar(tmp_path / "00000.tar", {"1.jpg": picture("1"), "1.txt": b"words"})
    reader = open_source(tmp_path)
    assert [sample.captions for sample in reader] == [("words",)]
    assert [(left.name, left.code) for left in reader.left_out] == [
        ("deep/er/cover.png", "no-caption"),
        ("loose.jpg", "no-caption"),
    ]


def test_pictures_without_captions_make_no_split_of_their_own(tmp_path: Path) -> None:
    write_images(tmp_path, ["train/1.jpg", "val/2.jpg", "test/3.jpg", "logo.png", "val/4.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption,split\n1.jpg,one,train\n2.jpg,two,val\n")
    found = {sample.name: sample.split for sample in open_source(tmp_path)}
    assert found == {"1.jpg": "train", "2.jpg": "val", "test/3.jpg": "train", "logo.png": "train", "val/4.jpg": "val"}


def test_spellings_of_one_picture_are_one_image_and_equal_names_of_two_are_two(tmp_path: Path) -> None:
    write_images(tmp_path, ["a/x.jpg", "b/x.jpg", "b/y.jpg"])
    for folder in ("a", "b"):
        (tmp_path / folder / "metadata.jsonl").write_text(json.dumps({"file_name": "x.jpg", "text": f"x of {folder}"}))
    rows = ["y", "b/Y.JPG", f"{tmp_path}/b/y.jpg", "y.jpg"]
    lines = "".join(f"{name},caption {number}\n" for number, name in enumerate(rows))
    (tmp_path / "captions.csv").write_text(f"image,caption\n{lines}")
    (y, *rest) = open_source(tmp_path / "captions.csv")
    assert (y.name, y.captions) == ("y", tuple(f"caption {number}" for number in range(4)))
    assert [sample.name for sample in rest] == ["a/x.jpg", "b/x.jpg"]


@pytest.mark.parametrize("name", ["images.tar.gz", "more/a.TGZ"])
def test_a_packed_tar_beside_a_table_is_counted(tmp_path: Path, name: str) -> None:
    write_images(tmp_path, ["a.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,a cat\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"PK")
    reader = open_source(tmp_path, format="csv")
    assert [sample.problem for sample in reader] == [""]
    assert [(one.name, one.what, one.code) for one in reader.left_out] == [(name, "shard", "unreadable")]
