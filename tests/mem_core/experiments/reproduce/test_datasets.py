"""The paper's datasets in their makers' files, small, and every way in which they can be wrong."""

import json
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import pytest

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.sharding.sharder import shard_source
from mem_core.experiments.reproduce.datasets import DATASETS, open_dataset
from tests.support.corpora import encoded, photo


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded(photo(number), "JPEG"))


def flickr8k(root: Path) -> Path:
    folder = root / "flickr8k"
    pictures(folder / "Images", "a.jpg", "b.jpg", "c.jpg")
    lines = [f"{name}.jpg#{n}\tcaption {n} of {name}" for name in "abc" for n in range(2)]
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines))
    for kind, name in (("train", "a"), ("dev", "b"), ("test", "c")):
        (folder / f"Flickr_8k.{kind}Images.txt").write_text(f"{name}.jpg\n")
    return root


def flickr30k(root: Path) -> Path:
    folder = root / "flickr30k"
    pictures(folder / "flickr30k-images", "1.jpg", "2.jpg")
    rows = ["image_name| comment_number| comment", "1.jpg| 0| a dog", "2.jpg| 0| a cat"]
    (folder / "results.csv").write_text("\n".join(rows))
    (folder / "train.txt").write_text("1\n")
    (folder / "test.txt").write_text("2\n")
    return root


def coco(root: Path) -> Path:
    folder = root / "coco"
    (folder / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        pictures(folder / f"{split}2017", f"{split}.jpg")
        images = [{"id": 1, "file_name": f"{split}.jpg"}]
        annotations = [{"image_id": 1, "caption": f"a {split} caption"}]
        text = json.dumps({"images": images, "annotations": annotations})
        (folder / "annotations" / f"captions_{split}2017.json").write_text(text)
    return root


def coco_karpathy(root: Path) -> Path:
    folder = root / "coco-karpathy"
    pictures(folder / "train2014", "x.jpg", "y.jpg")
    images = [
        {"filename": name, "filepath": "train2014", "split": split, "sentences": [{"raw": f"an {name}"}]}
        for name, split in (("x.jpg", "restval"), ("y.jpg", "test"))
    ]
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images}))
    return root


def pubfig(root: Path, lists: bool = False) -> Path:
    for person in ("Ada_Lovelace", "Alan_Turing"):
        pictures(root / "pubfig" / person, f"{person}_1.jpg", f"{person}_2.jpg")
    if lists:
        (root / "pubfig" / "train.txt").write_text("Ada_Lovelace/Ada_Lovelace_1.jpg\nAlan_Turing_1\n")
        (root / "pubfig" / "test.txt").write_text("Ada_Lovelace_2.jpg\nAlan_Turing/Alan_Turing_2\n")
    return root


MAKERS = {"flickr8k": flickr8k, "flickr30k": flickr30k, "coco": coco, "coco-karpathy": coco_karpathy, "pubfig": pubfig}


@pytest.mark.parametrize("name", DATASETS)
def test_official_files_give_a_train_and_a_test_split(name: str, tmp_path: Path) -> None:
    root = MAKERS[name](tmp_path)
    found = {sample.split for sample in open_dataset(name, root)}
    assert {"train", "test"} <= found
    summary = shard_source(open_dataset(name, root), LocalFolder(tmp_path / "out"), CorpusConfig())
    assert all(split.failed == 0 for split in summary.values())


def test_a_folder_with_the_name_of_the_dataset_works_too(tmp_path: Path) -> None:
    assert open_dataset("flickr8k", flickr8k(tmp_path) / "flickr8k").uri == str(tmp_path / "flickr8k")


def test_a_folder_of_other_pictures_is_not_taken_for_a_dataset(tmp_path: Path) -> None:
    photos = flickr8k(tmp_path).joinpath("flickr8k").rename(tmp_path / "photos")
    (photos / "captions.csv").write_text("image,caption\nImages/a.jpg,a cat\n")
    with pytest.raises(SourceError, match=r"there is no flickr8k/ in .*photos, which is to hold one"):
        open_dataset("flickr8k", photos)


def test_split_lists_over_folders_of_people(tmp_path: Path) -> None:
    found = [(sample.name, sample.split) for sample in open_dataset("pubfig", pubfig(tmp_path, lists=True))]
    assert sorted(Path(name).stem for name, split in found if split == "train") == ["Ada_Lovelace_1", "Alan_Turing_1"]
    assert Counter(split for _, split in found) == {"train": 2, "test": 2}


def test_split_lists_name_images_as_tables_do(tmp_path: Path) -> None:
    pictures(tmp_path / "pubfig" / "Zoë", "1.jpg", "2.jpg")
    pictures(tmp_path / "pubfig" / "Ada", "2.jpg", "3.jpg")
    (tmp_path / "pubfig" / "train.txt").write_text(f"{normalize('NFD', 'zoë/1.JPG')}\nADA/3\n2.jpg\n")
    found = {sample.name: sample for sample in open_dataset("pubfig", tmp_path) if sample.split == "train"}
    assert sorted(found) == ["2.jpg", "Ada/3.jpg", "Zoë/1.jpg"]
    assert found["2.jpg"].code == "ambiguous-image"


def test_an_unknown_dataset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="a dataset out of flickr8k, flickr30k, coco"):
        open_dataset("flickr9k", None)


@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_dataset_is_answered_with_where_to_get_it(name: str, tmp_path: Path) -> None:
    for data in (None, tmp_path):
        with pytest.raises(SourceError, match=rf"expected .*{DATASETS[name].title}.*Where to get it: "):
            open_dataset(name, data)


def failures(name: str, root: Path, out: Path) -> list[str]:
    reader = open_dataset(name, root)
    shard_source(reader, LocalFolder(out), CorpusConfig())
    return [sample.problem for sample in open_dataset(name, root) if sample.problem]


def test_a_list_that_names_an_absent_image_is_counted_and_named(tmp_path: Path) -> None:
    root = pubfig(tmp_path, lists=True)
    with (root / "pubfig" / "train.txt").open("a") as stream:
        stream.write("Grace_Hopper_1.jpg\n")
    (problem,) = failures("pubfig", root, tmp_path / "out")
    assert "'Grace_Hopper_1.jpg' of train.txt" in problem


def test_an_image_in_two_lists_stops_the_run(tmp_path: Path) -> None:
    root = pubfig(tmp_path, lists=True)
    with (root / "pubfig" / "train.txt").open("a") as stream:
        stream.write("Ada_Lovelace_2.jpg\n")
    with pytest.raises(SourceError, match=r"'Ada_Lovelace_2.jpg' is in .*txt and in .*txt"):
        open_dataset("pubfig", root)


def test_captions_without_images_and_images_without_captions_are_failed_rows(tmp_path: Path) -> None:
    root = flickr8k(tmp_path)
    (root / "flickr8k/Images/a.jpg").rename(root / "flickr8k/Images/stranger.jpg")
    (root / "flickr8k/Flickr_8k.trainImages.txt").write_text("a.jpg\nghost.jpg\n")
    found = shard_source(open_dataset("flickr8k", root), LocalFolder(tmp_path / "out"), CorpusConfig())
    assert found["train"].samples == 0
    assert found["train"].failed == 2  # a caption without its image, a listed image that is nowhere
    assert found["unlisted"].failed == 1  # an image that no caption names
    assert found["test"].samples == 1
