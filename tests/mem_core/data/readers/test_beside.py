"""Captions in files beside their images: each image has its own, and what has none, or two, is named and counted."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mem_core.config import CorpusConfig
from mem_core.data.readers import RawSample, open_source
from tests.support.source_making import captions, picture, stems, write_tar

Tree = dict[str, str | bytes]


def source(root: Path, files: Tree) -> Path:
    """Images hold the picture of their path; the others the given text."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def images(*names: str) -> Tree:
    return {name: picture(name) for name in names}


def read(root: Path, **settings: str) -> dict[str, RawSample]:
    samples = list(open_source(root, format="beside", config=CorpusConfig(**settings)))
    assert len({sample.name for sample in samples}) == len(samples)
    return {sample.name: sample for sample in samples}


LAYOUTS: dict[str, tuple[Tree, dict[str, tuple[str, ...]]]] = {
    "flat": (
        {"0.txt": "a boat", "1.caption": "a dog\n"} | images("0.jpg", "1.PNG"),
        {"0.jpg": ("a boat",), "1.PNG": ("a dog",)},
    ),
    "folders of any depth": (
        {"a/b/c/0.txt": "deep", "0.txt": "high"} | images("a/b/c/0.jpg", "0.jpg"),
        {"0.jpg": ("high",), "a/b/c/0.jpg": ("deep",)},
    ),
    "kohya's counted folders": (
        {"10_cats/0.txt": "a cat, grey", "5_dogs/0.caption": "a dog"} | images("10_cats/0.png", "5_dogs/0.png"),
        {"10_cats/0.png": ("a cat, grey",), "5_dogs/0.png": ("a dog",)},
    ),
    "captions in JSON alone": (
        {"0.json": '{"captions": ["one", "two"]}', "1.json": '{"caption": "three"}'} | images("0.jpg", "1.jpg"),
        {"0.jpg": ("one", "two"), "1.jpg": ("three",)},
    ),
    "a list in JSON wins, then the text": (
        {"0.txt": "one", "0.json": '{"captions": ["one", "two"]}', "1.txt": "three", "1.json": '{"caption": "THREE"}'}
        | images("0.jpg", "1.jpg"),
        {"0.jpg": ("one", "two"), "1.jpg": ("three",)},
    ),
    "two kinds of text": ({"0.txt": "a", "0.caption": "b"} | images("0.jpg"), {"0.jpg": ("a",)}),
    "the first with words": (
        {"0.txt": " ...", "0.caption": "b", "0.json": '{"captions": [], "caption": "c"}'} | images("0.jpg"),
        {"0.jpg": ("b",)},
    ),
    "the whole name": (
        {"0.jpg.txt": "of the jpg", "0.png.txt": "of the png"} | images("0.jpg", "0.png"),
        {"0.jpg": ("of the jpg",), "0.png": ("of the png",)},
    ),
    "the whole name and the stem": (
        {"0.jpg.json": '{"id": 3}', "0.txt": "one"} | images("0.jpg"),
        {"0.jpg": ("one",)},
    ),
    "several lines are one caption": ({"0.txt": "one\r\ntwo\n"} | images("0.jpg"), {"0.jpg": ("one\r\ntwo",)}),
    "letter case and Unicode form": (
        {"img_1.TXT": "one", "u\u0308.txt": "two"} | images("IMG_1.JPG", "\u00fc.jpg"),
        {"IMG_1.JPG": ("one",), "\u00fc.jpg": ("two",)},
    ),
    "with a mark": (
        {"0.txt": "h\u00e9".encode("utf-8-sig"), "1.txt": "h\u00e9".encode("utf-16")} | images("0.jpg", "1.jpg"),
        {"0.jpg": ("h\u00e9",), "1.jpg": ("h\u00e9",)},
    ),
    "dots and blanks in names": (
        {"a.b .txt": "one", "a.txt": "two"} | images("a.b .jpg", "a.jpg"),
        {"a.b .jpg": ("one",), "a.jpg": ("two",)},
    ),
    "files about all images": (
        {
            "0.txt": "one",
            "README.txt": "about",
            "train.txt": "0",
            "LICENSE.txt": "MIT",
            "00000_stats.json": "{}",
            "classes.txt": "x",
        }
        | images("0.jpg"),
        {"0.jpg": ("one",)},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_image_has_the_captions_beside_it(layout: str, tmp_path: Path) -> None:
    files, expected = LAYOUTS[layout]
    samples = read(source(tmp_path, files))
    assert {name: sample.captions for name, sample in samples.items()} == expected
    assert not [sample.problem for sample in samples.values() if sample.problem]
    assert all(sample.image() == picture(name) for name, sample in samples.items())


WRONG: dict[str, tuple[Tree, dict[str, str]]] = {
    "no caption": ({"0.txt": "one"} | images("0.jpg", "1.jpg"), {"1.jpg": "no-caption"}),
    "no image": ({"0.txt": "one", "1.txt": "two"} | images("0.jpg"), {"1.txt": "no-image"}),
    "two images of one name": (
        {"0.txt": "one"} | images("0.jpg", "0.png"),
        {"0.jpg": "ambiguous-image", "0.png": "ambiguous-image"},
    ),
    "two images that differ in case": (
        {"img.txt": "one"} | images("IMG.jpg", "Img.jpg"),
        {"IMG.jpg": "ambiguous-image", "Img.jpg": "ambiguous-image"},
    ),
    "two captions that differ in case": (
        {"img.txt": "a", "IMg.txt": "b"} | images("IMG.jpg"),
        {"IMG.jpg": "no-caption"},
    ),
    "another encoding": ({"0.txt": b"caf\xe9", "1.txt": "one"} | images("0.jpg", "1.jpg"), {"0.jpg": "bad-encoding"}),
    "no JSON": (
        {"0.json": "{", "1.json": "[]", "2.json": '{"caption": 3}'} | images("0.jpg", "1.jpg", "2.jpg"),
        {"0.jpg": "bad-metadata", "1.jpg": "bad-metadata", "2.jpg": "caption-not-text"},
    ),
    "JSON without a caption": ({"0.json": '{"url": "x"}'} | images("0.jpg"), {"0.jpg": "no-caption"}),
    "an empty JSON": (
        {"0.json": '{"caption": ""}', "1.txt": "one"} | images("0.jpg", "1.jpg"),
        {"0.jpg": "empty-caption"},
    ),
}


@pytest.mark.parametrize("packed", [False, True])
def test_a_broken_json_beside_words_costs_what_it_says(packed: bool, tmp_path: Path) -> None:
    texts: Tree = {"0.json": "{", "0.txt": "one", "1.json": '{"title": "a", "by": "b"}'}
    root = source(tmp_path / "files", texts | images("0.jpg", "1.jpg"))
    if packed:
        files, root = sorted(root.iterdir()), source(tmp_path / "tars", {"notes.log": ""})
        write_tar(root / "0.tar", {file.name: file.read_bytes() for file in files})
    reader = open_source(root)
    samples = list(reader)
    assert [(sample.problem, sample.captions, sample.metadata) for sample in samples] == [
        ("", ("one",), {}),
        ("", ("a",), {"by": "b"}),
    ]
    assert [(one.what, one.code) for one in reader.left_out] == [("caption", "bad-metadata")]


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_a_failed_row_with_its_code(kind: str, tmp_path: Path) -> None:
    files, expected = WRONG[kind]
    samples = read(source(tmp_path, files))
    assert {name: sample.code for name, sample in samples.items() if sample.problem} == expected


def test_img2datasets_files_output(tmp_path: Path) -> None:
    tree = images(*(f"0000{s}/0000{s}000{n}.jpg" for s in range(2) for n in range(2)))
    for name in list(tree):
        stem = name.removesuffix(".jpg")
        known = {
            "caption": f"picture {stem}",
            "url": f"https://x.example/{stem}",
            "key": Path(stem).name,
            "status": "success",
        }
        tree |= {f"{stem}.txt": f"picture {stem}", f"{stem}.json": json.dumps(known)}
    samples = read(source(tmp_path, tree | {"00000_stats.json": "{}", "00000.parquet": b"PAR1"}))
    assert len(samples) == 4
    for name, sample in samples.items():
        stem = name.removesuffix(".jpg")
        assert sample.captions == (f"picture {stem}",)
        assert (sample.metadata["url"], sample.metadata["key"]) == (f"https://x.example/{stem}", Path(stem).name)


def test_settings_say_the_encoding_and_the_key(tmp_path: Path) -> None:
    words = {"0.txt": "h\u00e9".encode("latin-1"), "1.json": '{"blip": "b", "caption": "c", "title": "t"}'}
    samples = read(source(tmp_path, words | images("0.jpg", "1.jpg")), encoding="latin-1", caption_key="BLIP")
    assert [sample.captions for sample in samples.values()] == [("h\u00e9",), ("b",)]
    assert samples["1.jpg"].metadata == {"title": "t"}


def test_what_is_no_caption_in_a_list_is_left_out_and_counted(tmp_path: Path) -> None:
    reader = open_source(source(tmp_path, {"0.json": '{"captions": ["a", 7]}'} | images("0.jpg")), format="beside")
    (sample,) = reader
    assert (sample.captions, sample.problem) == (("a",), "")
    assert [(one.name, one.what, one.code) for one in reader.left_out] == [("0.jpg", "caption", "caption-not-text")]


def test_splits_come_from_folders(tmp_path: Path) -> None:
    names = ["train/a/0.jpg", "validation/0.jpg", "data/test/0.jpg", "other/0.jpg", "10_test prints/0.jpg"]
    tree = images(*names) | {name.replace("jpg", "txt"): name for name in names}
    assert {name: sample.split for name, sample in read(source(tmp_path, tree)).items()} == {
        "train/a/0.jpg": "train",
        "validation/0.jpg": "val",
        "data/test/0.jpg": "test",
        "other/0.jpg": "train",
        "10_test prints/0.jpg": "train",
    }


FOLDERS = st.lists(st.sampled_from(["10_cats", "a", "b.c", "\u00fc", "train"]), max_size=3).map("/".join)
SUFFIX = st.sampled_from([".jpg", ".PNG", ".webp"])
KIND = st.sampled_from([".txt", ".caption", ".json", ".TXT"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.tuples(FOLDERS, stems), st.tuples(SUFFIX, KIND, captions), min_size=1, max_size=12),
    st.data(),
)
def test_whatever_the_layout_a_caption_names_its_own_image(
    layout: dict[tuple[str, str], tuple[str, str, str]], data: st.DataObject
) -> None:
    tree: Tree = {}
    expected = {}
    for (folder, stem), (suffix, kind, caption) in layout.items():
        place = f"{folder}/{stem}" if folder else stem
        text = f"{caption}, picture {place}{suffix}"
        what = data.draw(st.sampled_from(["both", "both", "both", "image", "text"]))
        if what != "text":
            tree[place + suffix] = picture(place + suffix)
            expected[place + suffix] = (text,) if what == "both" else ()
        if what != "image":
            tree[place + kind] = json.dumps({"caption": text}) if kind == ".json" else text
    with tempfile.TemporaryDirectory() as folder:
        samples = (
            [s for s in open_source(source(Path(folder), tree), format="beside") if s.code != "no-image"]
            if any(expected.values())
            else []
        )
    found = {sample.name: sample.captions for sample in samples}
    assert found == (expected if any(expected.values()) else {})
