"""Sources that are wrong: each problem is a failed sample with a reason, or one sentence that stops."""

import json
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError, ImageError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.readers import RawSample, open_source
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.source import SourceTree
from tests.support.source_making import picture, write_images, write_tar


def table(root: Path, *names: str) -> None:
    (root / "captions.csv").write_text("image,caption\n" + "".join(f'"{name}",words\n' for name in names))


def reason(sample: RawSample) -> str:
    with pytest.raises(ImageError) as caught:
        sample.image()
    return str(caught.value)


def test_no_path_leads_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "source", tmp_path / "secret.jpg"
    write_images(tmp_path, ["secret.jpg"])
    write_images(root, ["good.jpg"])
    (root / "link.jpg").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "inner.jpg").symlink_to(root / "good.jpg")
    table(root, "../secret.jpg", str(outside), "link.jpg", "folder/secret.jpg", "C:\\secret.jpg", "a/../../secret.jpg")
    for sample in open_source(root):
        if sample.name in ("good.jpg", "inner.jpg"):
            assert sample.image()  # not captioned, but harmless
        else:
            assert "inside the source folder" in reason(sample)  # or it is not there: folders are not linked in


def test_no_caption_is_read_from_outside(tmp_path: Path) -> None:
    root = tmp_path / "source"
    write_images(root, ["0.jpg", "1.jpg"])
    (tmp_path / "secret.txt").write_text("a secret")
    (root / "0.txt").symlink_to(tmp_path / "secret.txt")
    (root / "1.txt").write_text("a dog")
    assert [(sample.code, sample.captions) for sample in open_source(root)] == [
        ("outside", ()),
        ("unusable", ("a dog",)),
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "", "in", "out", "a.jpg", "secret.jpg", "\\", "C:", "~", "\0", "é" * 900])))
def test_whatever_the_path_only_files_inside_are_read(parts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "source")
        write_images(Path(place), ["secret.jpg"])
        write_images(root, ["a.jpg", "in/a.jpg"])
        (root / "out").symlink_to(place)
        try:
            images = ImageFiles(SourceTree(LocalFolder(root)))
            data = images.reader(images.find("/".join(parts)))()
        except ImageError:
            return
        assert data in (picture("a.jpg"), picture("in/a.jpg"))


def test_missing_empty_odd_and_double_images(tmp_path: Path) -> None:
    write_images(tmp_path, ["a/1.jpg", "b/1.jpg"])
    os.mkfifo(tmp_path / "pipe.jpg")
    table(tmp_path, "1.jpg", "gone.jpg", "pipe.jpg", ".", "x" * 5000)
    reasons = [reason(sample) for sample in open_source(tmp_path) if not sample.problem]
    assert [text.split(",")[0] for text in reasons] == [
        "expected one image '1.jpg' in the source",
        "expected the image 'gone.jpg' inside the source folder or its tars",
        "expected the image 'pipe.jpg' inside the source folder or its tars",
        "expected the relative path of an image",
        "expected the relative path of an image",
    ]


def test_images_without_captions_are_reported(tmp_path: Path) -> None:
    write_images(tmp_path, ["images/a.jpg", "images/b.jpg", "logo.png"])
    write_tar(tmp_path / "x.tar", {"c.jpg": picture("c.jpg"), "d.jpg": picture("d.jpg"), "notes.txt": b"no image"})
    write_tar(tmp_path / "unused.tar", {"e.jpg": picture("e.jpg")})
    table(tmp_path, "a.jpg", "c.jpg")
    samples = list(open_source(tmp_path))
    assert [(sample.name, bool(sample.problem)) for sample in samples] == [
        ("a.jpg", False),
        ("c.jpg", False),
        ("images/b.jpg", True),
        ("logo.png", True),
        ("x.tar/d.jpg", True),
    ]
    assert samples[0].image() == picture("images/a.jpg")
    assert [sample.image() for sample in samples[1:]] == [
        picture(name) for name in ("c.jpg", "images/b.jpg", "logo.png", "d.jpg")
    ]


def test_links_in_tars_are_not_images(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo("a.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    table(tmp_path, "a.jpg")
    assert "not there" in reason(next(iter(open_source(tmp_path))))


def test_a_damaged_tar_and_a_name_in_two_tars(tmp_path: Path) -> None:
    for tar in ("x", "y"):
        write_tar(tmp_path / f"{tar}.tar", {"a.jpg": picture(tar)})
    table(tmp_path, "a.jpg")
    assert "got 2: x.tar:a.jpg and y.tar:a.jpg" in reason(next(iter(open_source(tmp_path))))
    (tmp_path / "x.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(SourceError, match=r"expected an uncompressed tar as .*x\.tar"):
        list(open_source(tmp_path))


def test_lines_that_are_not_utf8_fail_alone(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "captions.csv").write_bytes(b"image,caption\na.jpg,caf\xe9\nb.jpg,caf\xc3\xa9\n")
    a, b = open_source(tmp_path)
    assert a.problem == "captions.csv:2: expected a caption of valid Unicode, got other bytes"
    assert (b.problem, b.captions) == ("", ("café",))


def test_quoted_newlines_and_long_captions(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"])
    long = "word " * 10_000
    (tmp_path / "captions.csv").write_text(
        f'image,caption\r\na.jpg,"two\nlines, ""quoted"""\r\na.jpg,{long}\r\n', newline=""
    )
    (sample,) = open_source(tmp_path)
    assert sample.captions == ('two\nlines, "quoted"', long.strip())


def test_rows_with_the_wrong_number_of_columns_fail(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,one, two\n,three\n\n")
    assert [(sample.name, sample.problem) for sample in open_source(tmp_path)] == [
        ("captions.csv:3", "captions.csv:3: expected the path of an image or its bytes, got nothing"),
        ("a.jpg", "captions.csv:2: expected 2 columns, got 3"),
    ]


def test_json_lines_that_are_wrong_fail_alone(tmp_path: Path) -> None:
    lines = ['{"image": "a', "[1]", '{"text": "x"}', '{"image": "a.jpg", "text": 5}', '{"bytes": "@", "text": "x"}']
    lines += ['{"image": {"bytes": "AA=="}, "text": "x"}', '{"image": "data:image/png;base64,", "text": ["x"]}']
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    samples = list(open_source(tmp_path))
    assert [bool(sample.problem) for sample in samples] == [True] * 4 + [False] * 2 + [True]
    assert samples[4].image() == b"\0"
    assert "got none" in reason(samples[5])
    assert samples[6].problem == "all.jsonl:4: expected a caption as text, got int"


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    for name, content, words in (
        ("dataset_x.json", b"{", "cannot be parsed"),
        ("dataset_y.json", b'{"images": 3}', "a list `images`"),
        ("dataset_z.json", b'"\xff"', "expected text in UTF-8 .* it looks like"),
        ("dataset_v.json", "{}".encode("utf-16-le"), "looks like UTF-16-LE without a byte order mark"),
        ("dataset_w.json", b"[" * 100_000, "cannot be parsed"),
        ("captions_train.json", b'{"images": []}', "`annotations`"),
        ("x.parquet", b"PAR1 no", "cannot be read"),
        ("x.csv", b"one,two\n", "in the header line of .*x.csv, got the columns one, two"),
        ("empty.csv", b"", "in the header line of .*empty.csv, got the columns nothing"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=words):
            list(open_source(tmp_path / name))


def test_parquet_that_stands_for_more_than_memory_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"image": [bytes(1 << 20)] * 3, "caption": ["words"] * 3, "features": [[0.5]] * 3})
    pyarrow.parquet.write_table(table, tmp_path / "bomb.parquet", compression="zstd", use_dictionary=False)
    samples = list(open_source(tmp_path / "bomb.parquet"))
    assert [(len(sample.image()), sample.metadata) for sample in samples] == [(1 << 20, {})] * 3
    monkeypatch.setattr("mem_core.data.readers.parquet._MOST_BYTES", 2 << 20)
    with pytest.raises(SourceError, match=r"\d+ bytes of .*bomb\.parquet stand for 3\d{6}"):
        list(open_source(tmp_path / "bomb.parquet"))
    monkeypatch.setattr("mem_core.data.readers.parquet._MOST_BYTES", 1 << 30)
    monkeypatch.setattr("mem_core.data.readers.parquet._MOST_VALUES", 2)
    with pytest.raises(SourceError, match="at most 2 values in a column"):
        list(open_source(tmp_path / "bomb.parquet"))


def test_detection_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"has no file that could be either. The nearest formats are csv .* and beside"
    ):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="got 'zip'"):
        open_source(tmp_path, format="zip")
    with pytest.raises(SourceError, match=r"format coco \(a .json with images, and annotations"):
        open_source(tmp_path, format="coco")
    table(tmp_path, "a.jpg")
    (tmp_path / "dataset_flickr8k.json").write_text(json.dumps({"images": [{"filename": "a.jpg", "sentences": []}]}))
    with pytest.raises(SourceError, match=r"got csv \(captions.csv\) and karpathy \(dataset_flickr8k.json\)$"):
        open_source(tmp_path)
    assert open_source(tmp_path, format="karpathy").format == "karpathy"
    assert open_source(tmp_path / "captions.csv").format == "csv"


def test_parquet_sidecars_of_tars_are_not_sources(tmp_path: Path) -> None:
    write_tar(tmp_path / "00000.tar", {"a.jpg": picture("a"), "a.txt": b"words"})
    (tmp_path / "00000.parquet").write_bytes(b"")
    assert open_source(tmp_path).format == "webdataset"


def test_utf16_that_is_cut_short_costs_the_row_that_is_cut(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "captions.csv").write_bytes("image,caption\na.jpg,words\nb.jpg,words".encode("utf-16")[:-1])
    a, b = open_source(tmp_path)
    assert (a.captions, a.problem) == (("words",), "")
    assert (b.code, b.problem) == (
        "bad-encoding",
        "captions.csv:3: expected a caption of valid Unicode, got other bytes",
    )


@pytest.mark.parametrize("header", ["image,caption,caption", "image,caption,Caption ", "image,IMAGE,caption"])
def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path, header: str) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "captions.csv").write_text(f"{header}\na.jpg,first,second\n")
    arrays = [pyarrow.array([text]) for text in ("a.jpg", "first", "second")]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_arrays(arrays, names=header.split(",")), tmp_path / "captions.parquet"
    )
    for name in ("captions.csv", "captions.parquet"):
        with pytest.raises(SourceError, match=rf"expected each column once, .*more than once in .*{name}"):
            list(open_source(tmp_path / name))


def test_a_json_key_that_comes_twice_fails_its_line(tmp_path: Path) -> None:
    lines = ['{"image": "a.jpg", "caption": "x", "caption": "y"}', '{"image": "a.jpg", "caption": "x", "Caption": "y"}']
    (tmp_path / "all.jsonl").write_text("\n".join([*lines, '{"image": "a.jpg", "caption": "x", "id": 1, "ID": 2}']))
    reader = open_source(tmp_path)
    wrong, right = reader
    assert wrong.problem == (
        "all.jsonl:2: expected each column once, whatever its case, but caption stands there more than once"
    )
    assert [left.reason for left in reader.left_out] == [
        "all.jsonl:1: expected a JSON object: the key 'caption' comes more than once"
    ]
    assert (right.captions, right.metadata) == (("x",), {"id": 1, "ID": 2})


def test_times_in_parquet_are_not_read(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    write_images(tmp_path, ["a.jpg"])
    times = {
        "far": pyarrow.array([10**15], pyarrow.timestamp("s")),
        "fine": pyarrow.array([10**18 + 1], pyarrow.timestamp("ns")),
        "day": pyarrow.array([10**8], pyarrow.date32()),
        "long": pyarrow.array([10**18 + 1], pyarrow.duration("ns")),
    }
    whole = pyarrow.table({"image": ["a.jpg"], "caption": ["words"], "likes": [3], **times})
    pyarrow.parquet.write_table(whole, tmp_path / "all.parquet")
    (sample,) = open_source(tmp_path / "all.parquet")
    assert (sample.captions, sample.metadata) == (("words",), {"likes": 3})
    for name in times:
        wrong = pyarrow.table({"image": ["a.jpg"], "caption": times[name]})
        pyarrow.parquet.write_table(wrong, tmp_path / "wrong.parquet")
        try:
            (sample,) = open_source(tmp_path / "wrong.parquet")
        except SourceError as error:
            assert "wrong.parquet cannot be read" in str(error)
        else:
            assert "expected a caption as text" in sample.problem or "expected values that can" in sample.problem


def test_an_odd_licence_of_coco_is_none(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"])
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "license": [1]}],
        "annotations": [{"image_id": 1, "caption": "words"}],
        "licenses": [{"id": 1, "name": "free"}],
    }
    (tmp_path / "captions_train2017.json").write_text(json.dumps(content))
    (sample,) = open_source(tmp_path)
    assert (sample.captions, sample.metadata) == (("words",), {"coco_id": 1})


def test_two_spellings_of_a_path_are_one_image(tmp_path: Path) -> None:
    write_images(tmp_path, ["in/a.jpg", "in/b.jpg"])
    table(tmp_path, "./in/a.jpg", "in/a.jpg", "in//a.jpg", "in\\a.jpg", "./in/b.jpg")
    reader = open_source(tmp_path)
    first, second = reader
    assert (first.name, first.captions, first.image()) == ("./in/a.jpg", ("words",), picture("in/a.jpg"))
    assert (second.name, second.problem) == ("./in/b.jpg", "")
    assert [(left.name, left.what, left.code) for left in reader.left_out] == [
        ("./in/a.jpg", "caption", "duplicate")
    ] * 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("photos.zip", "which is packed: unpack it first"),
        ("captions.csv.gz", "which is packed: unpack it first"),
        ("0.pdf", "which is no kind of caption file that is known"),
    ],
)
def test_a_file_that_is_no_source_is_said_to_be_what_it_is(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(SourceError, match=f"a file of a known format, got .*{name}, {words}"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("format", ["auto", "beside", "csv"])
def test_a_picture_in_place_of_its_folder_is_answered_with_the_folder(tmp_path: Path, format: str) -> None:
    (tmp_path / "0.jpg").write_bytes(b"x")
    with pytest.raises(SourceError) as refused:
        open_source(tmp_path / "0.jpg", format=format)
    wanted = (
        f"expected a folder, or a file with captions, got the picture {tmp_path}/0.jpg: name its folder, {tmp_path}"
    )
    assert (str(refused.value), refused.value.hint) == (wanted, None)
