"""Names are data: whatever way a picture is named, its caption is its own, or the reason says truly why not."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.errors import ImageError
from mem_core.common.storage.folder import LocalFolder
from mem_core.data.readers import RawSample, open_source
from mem_core.data.readers.files import ImageFiles
from mem_core.data.readers.source import SourceTree
from tests.support.source_making import picture, write_images, write_tar


def files(root: Path) -> ImageFiles:
    return ImageFiles(SourceTree(LocalFolder(root)))


def read(root: Path, name: str) -> bytes:
    images = files(root)
    return images.reader(images.find(name))()


NFC, NFD = (normalize(form, "köln.jpg") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("there", "name", "meant"),
    [
        (["a/1.jpg"], "a/1.jpg", "a/1.jpg"),
        (["a/1.jpg"], "./a//1.jpg ", "a/1.jpg"),
        (["a/1.jpg"], "a\\1.jpg", "a/1.jpg"),
        (["a/1.jpg"], "b/../a/1.jpg", "a/1.jpg"),
        (["a/1.jpg"], "1.jpg", "a/1.jpg"),
        (["x/y/z/a/1.jpg", "x/b/1.jpg"], "a/1.jpg", "x/y/z/a/1.jpg"),
        (["a/1.jpg", "b/1.jpg"], "1.jpg", None),
        (["1.jpg", "b/1.jpg"], "1.jpg", "1.jpg"),
        (["a/IMG-1.png"], "IMG-1", "a/IMG-1.png"),
        (["a/IMG-1.png", "a/IMG-1.jpg"], "IMG-1", None),
        (["a/IMG-1.CR2", "a/IMG-1.jpg"], "IMG-1", "a/IMG-1.jpg"),
        (["a/1.v2.jpg"], "1.v2", "a/1.v2.jpg"),
        (["a/b.jpg"], "A/B.JPG", "a/b.jpg"),
        (["a/b.jpg", "a/B.jpg"], "A/B.JPG", None),
        (["a/b.jpg", "a/B.JPG"], "a/B.JPG", "a/B.JPG"),
        ([NFD], NFC, NFD),
        ([NFC], NFD.upper(), NFC),
        ([NFD, NFC], NFC, NFC),
        ([NFD, "a/K" + NFC[1:]], "K" + NFC[1:], None),  # letters say the one, the place the other
        (["a b.jpg"], "a%20b.jpg", "a b.jpg"),
        (["a b.jpg", "a%20b.jpg"], "a%20b.jpg", "a%20b.jpg"),
        (["source/1.jpg", "2.jpg"], "source/2.jpg", "2.jpg"),  # from the folder that the source lies in
        (["a/1.jpg"], "b/1.jpg", None),
        (["1"], "1", "1"),
        (["a/1"], "1", "a/1"),
    ],
)
def test_a_name_means_the_one_file_that_it_fits(tmp_path: Path, there: list[str], name: str, meant: str | None) -> None:
    root = tmp_path / "source"
    write_images(root, there)
    found = files(root).find(name)
    assert (found.path if not found.reason else None) == meant
    assert meant is None or files(root).reader(found)() == picture(meant)


def test_a_reason_says_what_is_nearest_or_which_two_fit(tmp_path: Path) -> None:
    write_images(tmp_path, ["a/IMG_0001.png", "b/harbour_7.jpg", "c/x.jpg", "d/x.jpg"])
    for name, code, words in (
        ("IMG_0001.jpg", "no-image", "it is not there; the nearest is a/IMG_0001.png"),
        ("harbor_7.jpg", "no-image", "the nearest is b/harbour_7.jpg"),
        ("harbour_8.jpg", "no-image", "it is not there"),
        ("x", "ambiguous-image", "c/x.jpg and d/x.jpg"),
        ("http://somewhere.org/x.jpg", "outside", "load the pictures first, as img2dataset does"),
        ("/home/ada/data/x.jpg", "outside", "write it relative to that"),
        (r"C:\Users\Ada\x.jpg", "outside", "write it relative to that"),
    ):
        found = files(tmp_path).find(name)
        assert (found.code, found.reason[-len(words) :]) == (code, words)


@pytest.mark.parametrize("spelled", ["{}", "file://{}", "file://localhost{}", "{0}/../source", "//{}", "{}/."])
def test_absolute_paths_inside_the_source_are_found_however_written(tmp_path: Path, spelled: str) -> None:
    root = tmp_path / "source"
    write_images(root, ["in/a b.jpg"])
    (tmp_path / "link").symlink_to(root)
    for place in (root, tmp_path / "link"):
        for path in ("in/a b.jpg", "in/A%20B.jpg"):
            name = f"{spelled.format(place)}/{path}"
            assert read(root, name) == picture("in/a b.jpg")
            assert read(tmp_path / "link", name) == picture("in/a b.jpg")


def test_a_name_is_relative_to_its_own_file_before_the_source(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.jpg", "train/1.jpg", "2.jpg", "test/3.jpg"])
    for name, meant in (
        ("1.jpg", "train/1.jpg"),
        ("../1.jpg", "1.jpg"),
        ("2.jpg", "2.jpg"),
        ("../test/3", "test/3.jpg"),
    ):
        assert files(tmp_path).find(name, "train").path == meant
    assert files(tmp_path).find("../../1.jpg", "train").code == "outside"


def test_of_equal_names_that_below_the_folder_of_the_file_is_meant(tmp_path: Path) -> None:
    write_images(tmp_path, ["a/images/1.jpg", "b/images/1.jpg", "b/more/2.jpg", "b/images/2.jpg"])
    images = files(tmp_path)
    assert [images.find("1.jpg", folder).path for folder in "ab"] == ["a/images/1.jpg", "b/images/1.jpg"]
    assert [images.find(name, folder).code for name, folder in (("1.jpg", ""), ("1.jpg", "c"), ("2.jpg", "b"))] == [
        "ambiguous-image"
    ] * 3


def test_equal_names_in_two_splits_are_never_swapped(tmp_path: Path) -> None:
    write_images(tmp_path, ["train2017/0.jpg", "test/0.jpg", "test/1.jpg", "val/2.jpg", "more/2.jpg", "val2014/3.jpg"])
    for name, split, meant in (
        ("0.jpg", "train", "train2017/0.jpg"),
        ("0.jpg", "test", "test/0.jpg"),
        ("0.jpg", "", None),
        ("0.jpg", "val", None),
        ("1.jpg", "train", None),  # it is the other split's
        ("2.jpg", "train", "more/2.jpg"),
        ("2.jpg", "val", "val/2.jpg"),
        ("val2014/3.jpg", "train", "val2014/3.jpg"),  # the name itself says so
    ):
        found = files(tmp_path).find(name, split=split)
        assert (found.path if not found.reason else None) == meant, (name, split)


def test_tars_follow_the_same_rule(tmp_path: Path) -> None:
    write_images(tmp_path, ["loose.jpg"])
    names = ["a/1.jpg", "a/Ä.png", "x/2.jpg", "y/2.jpg", "._3.jpg", "loose.jpg"]
    write_tar(tmp_path / "p.tar", {name: picture(f"tar {name}") for name in names})
    (tmp_path / "deep").mkdir()
    write_tar(tmp_path / "deep" / "train-0.tar", {"4.jpg": picture("tar 4"), "\udcff.jpg": picture("odd")})
    for name, meant in (
        ("a/1.jpg", "tar a/1.jpg"),
        ("1", "tar a/1.jpg"),
        ("A/" + normalize("NFD", "ä.PNG"), "tar a/Ä.png"),
        ("p.tar/x/2.jpg", "tar x/2.jpg"),
        ("4.jpg", "tar 4"),
        ("\udcff.jpg", "odd"),
        ("loose.jpg", "loose.jpg"),  # a file before one in a tar
    ):
        assert read(tmp_path, name) == picture(meant)
    for name, code in (("2.jpg", "ambiguous-image"), ("3.jpg", "no-image")):
        with pytest.raises(ImageError) as caught:
            read(tmp_path, name)
        assert caught.value.code == code
    assert files(tmp_path).find("4.jpg", split="test").reason.endswith("the nearest is deep/train-0.tar/4.jpg")


def spellings(root: Path, path: str, others: set[str]) -> list[str]:
    """The ways in which the picture may be named, without those that are the whole path of another."""
    stem, base = path.removesuffix(".png"), path.rpartition("/")[2]
    ways: list[Callable[[str], str]] = [str, str.upper, lambda text: normalize("NFD", text), quote]
    ways += [lambda text: text.replace("/", "\\"), lambda text: f"./{text}"]
    relative = [way(text) for way in ways for text in (path, stem, base, base.removesuffix(".png"))]
    whole = [f"{root}/{path}", f"file://{quote(f'{root}/{path}')}", f"{root}/../{root.name}//{stem.upper()}"]
    taken = {_plain(other) for other in others}
    return [*whole, *(name for name in relative if not taken & {_plain(name), _plain(unquote(name))})]


def _plain(name: str) -> str:
    return normalize("NFC", name.replace("\\", "/")).casefold().removeprefix("./").removesuffix(".png")


_PART = st.text("abcäß %-_0123456789", min_size=1, max_size=5).map(str.strip).filter(lambda part: part.strip("%- _"))
_TREES = st.lists(st.lists(_PART, min_size=1, max_size=4).map("/".join), min_size=1, max_size=7)


@settings(max_examples=150, deadline=None)
@given(tree=_TREES, data=st.data())
def test_every_caption_names_its_own_picture_and_counts_add_up(tree: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(os.path.realpath(place)) / "source"
        paths = sorted({f"{path}.png" for path in tree})
        write_images(root, paths)
        captioned = data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=10))
        rows = [
            {"image": data.draw(st.sampled_from(spellings(root, path, {*paths} - {path}))), "caption": path}
            for path in captioned
        ]
        (root / "all.jsonl").write_text("\n".join(map(json.dumps, rows)))
        reader = open_source(root)
        samples = list(reader)
        good = [sample for sample in samples if not sample.problem and not _reason(sample)]
        for sample in good:
            assert {picture(caption) for caption in sample.captions} == {sample.image()}
        uncaptioned = [sample for sample in samples if sample.code == "no-caption" and sample.problem]
        assert Counter(sample.image() for sample in (*good, *uncaptioned)) == Counter(map(picture, paths))
        for sample in samples:
            if reason := _reason(sample):
                assert "expected one image" in reason or "it is not there" in reason
        twice = sum(left.what == "caption" for left in reader.left_out)
        assert sum(len(sample.captions) for sample in samples) + twice == len(rows)


def _reason(sample: RawSample) -> str:
    try:
        sample.image()
    except ImageError as error:
        return str(error)
    return ""
