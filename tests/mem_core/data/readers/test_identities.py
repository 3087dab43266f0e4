"""Folders of people: every picture is counted, by whom it shows or as one that nobody's folder holds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.config import CorpusConfig, IdentitiesConfig
from mem_core.data.readers import RawSample, open_source
from tests.support.source_making import write_images

ONE = ("{name}",)


def read(root: Path, **settings: bool) -> dict[str, RawSample]:
    config = CorpusConfig(identities=IdentitiesConfig(templates=ONE, **settings))
    samples = list(open_source(root, format="identities", config=config))
    assert len({sample.name for sample in samples}) == len(samples)
    return {sample.name: sample for sample in samples}


SHOWN = {
    "any suffix of a picture": {
        "Ada/1.jpg": "Ada",
        "Ada/2.JFIF": "Ada",
        "Ada/3.heic": "Ada",
        "Bob_Ray/4.jpe": "Bob Ray",
    },
    "deeper folders": {"Ada/1.jpg": "Ada", "Ada/holiday/1.jpg": "Ada", "Bob/a/b/2.jpg": "Bob"},
    "below splits": {"train/Ada/1.jpg": "Ada", "test/Ada/deep/2.jpg": "Ada", "train/Val_Kilmer/3.jpg": "Val Kilmer"},
    "named like a split": {"Val_Kilmer/a/1.jpg": "Val Kilmer", "Ada/2.jpg": "Ada", "Test/3.jpg": "Test"},
    "a folder around all": {"lfw/Ada/1.jpg": "Ada", "lfw/Bob/a/2.jpg": "Bob"},
    "folders around all and around splits": {"a/b/train/Ada/1.jpg": "Ada", "a/b/test/Bob/2.jpg": "Bob"},
    "one of several parts": {"Ada/photos/1.jpg": "Ada", "Ada/images/2.jpg": "Ada"},
    "counted folders": {"10_cats/1.jpg": "cats", "5_cats/2.jpg": "cats", "001.Black_bird/3.jpg": "Black bird"},
    "a number of one name alone": {"50_Cent/1.jpg": "50 Cent", "Ada/2.jpg": "Ada"},
    "side files": {"Ada/1.jpg": "Ada", "Bob/2.jpg": "Bob"},
}


@pytest.mark.parametrize("kind", SHOWN)
def test_each_picture_shows_whom_its_folder_names(kind: str, tmp_path: Path) -> None:
    expected = SHOWN[kind]
    write_images(tmp_path, list(expected))
    if kind == "side files":
        write_images(tmp_path, ["Ada/._1.jpg", "__MACOSX/Ada/._1.jpg", ".thumbs/1.jpg"])
    samples = read(tmp_path)
    assert {name: (*sample.captions, sample.problem) for name, sample in samples.items()} == {
        name: (shown, "") for name, shown in expected.items()
    }


STRAY = {
    "at the top": {"group.jpg": "no-caption", "Ada/1.jpg": ""},
    "in a split": {"train/stray.jpg": "no-caption", "train/Ada/1.jpg": ""},
    "beside splits": {"extra/1.jpg": "no-caption", "train/Ada/1.jpg": "", "test2017/Ada/1.jpg": ""},
    "in a folder without a name": {"Ada/1.jpg": "", "\udcff/1.jpg": "bad-encoding"},
}


@pytest.mark.parametrize("kind", STRAY)
def test_pictures_of_nobody_are_failed_rows(kind: str, tmp_path: Path) -> None:
    write_images(tmp_path, list(STRAY[kind]))
    found = {name: sample.code if sample.problem else "" for name, sample in read(tmp_path).items()}
    assert found == {name.replace("\udcff", "\ufffd"): code for name, code in STRAY[kind].items()}


PATHS = st.lists(st.sampled_from(["Ada", "Bob", "x"]), max_size=3).map(lambda folders: "/".join([*folders, "1.jpg"]))


@given(st.sets(PATHS, min_size=1))
def test_all_pictures_are_there_once(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    root = tmp_path_factory.mktemp("people")
    write_images(root, [*names, "Eve/1.jpg"])
    samples = read(root, hold_out=True)
    assert set(samples) == names | {"Eve/1.jpg"}
    for name, sample in samples.items():
        assert sample.captions == ((name.partition("/")[0],) if "/" in name else ())
    folders = {name.partition("/")[0] for name in names if "/" in name}
    for folder in folders:
        splits = [sample.split for name, sample in samples.items() if name.startswith(f"{folder}/")]
        assert splits.count("test") == (len(splits) > 1)
