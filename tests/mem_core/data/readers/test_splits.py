"""Splits: named by columns, lists, file names, JSON or folders; never guessed, never contradicted in silence."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from mem_core.common.errors import ConfigError, SourceError
from mem_core.config import CorpusConfig, IdentitiesConfig
from mem_core.data.readers import open_source
from mem_core.data.readers.splits import split_of, split_of_folder, split_word
from tests.support.source_making import picture, write_images, write_tar


def splits(root: Path) -> dict[str, str]:
    return {sample.name: sample.split for sample in open_source(root)}


def test_split_words_are_ours() -> None:
    assert [split_word(word) for word in (" Train ", "restval", "dev", "validation", "")] == [
        *("train", "train", "val", "val", "")
    ]
    for word in ("../x", "a/b", "a b", "x" * 65):
        with pytest.raises(ValueError, match="expected a split"):
            split_word(word)


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("test-00000.tar", "test"),
        ("val_000.parquet", "val"),
        ("validation-00000-of-00001.parquet", "val"),
        ("imagenet1k-train-0001.tar", "train"),
        ("annotations/captions_val2017.json", "val"),
        ("a/Dev.csv", "val"),
        ("val/00000.tar", "val"),
        ("data/test/en/part-0.parquet", "test"),
        ("train/test.csv", "test"),
        ("test/captions_train_val.json", "test"),
        ("eval_00000.tar", "test"),
        ("data/evaluation/0.csv", "test"),
        ("holdout/0.tar", "test"),
        ("annotations/captions_minival2014.json", "val"),
        ("refs-testA.jsonl", "test"),
        ("medieval.csv", ""),
        ("train_val.csv", ""),
        ("latest.csv", ""),
        ("contest/trained.csv", ""),
    ],
)
def test_a_file_has_the_split_of_its_name_else_of_its_nearest_folder(path: str, split: str) -> None:
    assert split_of(path) == split


def test_the_name_of_a_picture_says_no_split() -> None:
    assert [split_of_folder(path) for path in ("train-station.jpg", "images/test/train.jpg", "train2017\\1.jpg")] == [
        *("", "test", "train")
    ]


def test_tars_have_the_split_of_their_name_or_folder_and_the_others_are_train(tmp_path: Path) -> None:
    for number, place in enumerate(("00000.tar", "test-00000.tar", "deep/er/val/00000.tar")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        write_tar(tmp_path / place, {f"{number}.png": picture(place), f"{number}.txt": b"words"})
    assert splits(tmp_path) == {"00000/0": "train", "test-00000/1": "test", "deep/er/val/00000/2": "val"}


def test_a_column_counts_more_than_the_file_and_the_file_more_than_the_folder_of_the_image(tmp_path: Path) -> None:
    write_images(tmp_path, ["test/a.jpg", "test/b.jpg", "c.jpg"])
    (tmp_path / "captions.csv").write_text("image,caption\ntest/a.jpg,one\nc.jpg,two\n")
    assert splits(tmp_path) == {"test/a.jpg": "test", "c.jpg": "train", "test/b.jpg": "test"}
    (tmp_path / "captions.csv").rename(tmp_path / "train.csv")
    assert splits(tmp_path) == {"test/a.jpg": "train", "c.jpg": "train", "test/b.jpg": "train"}
    (tmp_path / "train.csv").write_text("image,caption,split\ntest/a.jpg,one,val\nc.jpg,two,\n")
    assert splits(tmp_path) == {"test/a.jpg": "val", "c.jpg": "train", "test/b.jpg": "train"}


@pytest.mark.parametrize("column", ["Split", "set", "partition", "dataset_split"])
def test_columns_of_splits(tmp_path: Path, column: str) -> None:
    write_images(tmp_path, ["0.jpg", "1.jpg"])
    (tmp_path / "all.csv").write_text(f"image,caption,{column}\n0.jpg,one,train\n1.jpg,two,TEST\n")
    assert {sample.name: sample.split for sample in open_source(tmp_path)} == {"0.jpg": "train", "1.jpg": "test"}


def test_metadata_in_split_folders_names_images_beside_it(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_images(tmp_path / split, ["0.jpg", "in/1.jpg"])
        lines = [json.dumps({"file_name": name, "text": f"{split} {name}"}) for name in ("0.jpg", "in/1.jpg")]
        (tmp_path / split / "metadata.jsonl").write_text("\n".join(lines))
    reader = open_source(tmp_path)
    assert reader.format == "imagefolder"
    assert {sample.name: (sample.split, *sample.captions) for sample in reader} == {
        f"{split}/{name}": (split, f"{split} {name}") for split in ("train", "test") for name in ("0.jpg", "in/1.jpg")
    }


def test_flickr_lists_give_splits_and_absent_images_fail(tmp_path: Path) -> None:
    write_images(tmp_path / "Flickr8k_Dataset", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    text = tmp_path / "Flickr8k_text"
    text.mkdir()
    (text / "Flickr8k.token.txt").write_text("a.jpg#0\tone\nb.jpg#0\ttwo\nc.jpg#0\tthree\nno tab here\n")
    (text / "Flickr8k.lemma.token.txt").write_text("a.jpg#0\tlemma\n")
    (text / "Flickr_8k.trainImages.txt").write_text("a.jpg\n")
    (text / "Flickr_8k.devImages.txt").write_text("b.jpg\r\nb.jpg\n")
    (text / "Flickr_8k.testImages.txt").write_text("gone.jpg\n")
    samples = {sample.name: sample for sample in open_source(tmp_path)}
    assert {name: sample.split for name, sample in samples.items()} == {
        "a.jpg": "train",
        "b.jpg": "val",
        "c.jpg": "unlisted",
        "gone.jpg": "test",
        "Flickr8k.token.txt:4": "",
        "Flickr8k_Dataset/d.jpg": "unlisted",
    }
    assert samples["gone.jpg"].captions == ()
    assert "another line" in samples["Flickr8k.token.txt:4"].problem
    assert "none names the image" in samples["Flickr8k_Dataset/d.jpg"].problem


def test_flickr30k_token_and_lists_without_suffix(tmp_path: Path) -> None:
    write_images(tmp_path / "flickr30k-images", ["1.jpg", "2.jpg"])
    (tmp_path / "results_20130124.token").write_text("1.jpg#0\tone\n2.jpg#0\ttwo\n")
    (tmp_path / "train.txt").write_text("1\n")
    (tmp_path / "val.txt").write_text("2\n")
    assert splits(tmp_path) == {"1.jpg": "train", "2.jpg": "val"}


def test_flickr30k_csv_with_bars(tmp_path: Path) -> None:
    write_images(tmp_path / "flickr30k_images", ["1.jpg"])
    lines = [
        "image_name| comment_number| comment",
        '1.jpg| 0| A "bare" quote .',
        "1.jpg| 1| Two, three",
        "1.jpg| 2   no",
    ]
    (tmp_path / "results.csv").write_text("\n".join(lines))
    reader = open_source(tmp_path)
    (sample,) = reader
    assert sample.captions == ('A "bare" quote .', "Two, three")
    (broken,) = reader.left_out
    assert (broken.name, broken.code) == ("1.jpg", "bad-entry")
    assert broken.reason == "results.csv:4: expected 3 columns, got 2"


def test_a_json_of_one_list_a_split(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    names = {"training": "a", "test": "b", "more": "c"}
    lists = {key: [{"image": f"{name}.jpg", "caption": name}] for key, name in names.items()}
    lists["more"][0]["split"] = "dev"
    (tmp_path / "captions.json").write_text(json.dumps(lists))
    assert splits(tmp_path) == {"a.jpg": "train", "b.jpg": "test", "c.jpg": "val"}


def _beside(root: Path) -> None:
    for name in "abcd":
        (root / "in" / f"{name}.txt").write_text("words")


def _csv(root: Path) -> None:
    (root / "captions.csv").write_text("image,caption\n" + "".join(f"{name}.jpg,words\n" for name in "abcd"))


def _jsonl(root: Path) -> None:
    lines = [json.dumps({"image": f"./in/{name}.jpg", "caption": "words"}) for name in "abcd"]
    (root / "captions.jsonl").write_text("\n".join(lines))


def _parquet(root: Path) -> None:
    table = pyarrow.table({"path": [f"in/{name}.jpg" for name in "abcd"], "caption": ["words"] * 4})
    pyarrow.parquet.write_table(table, root / "captions.parquet")


@pytest.mark.parametrize("name", ["{}", "{}.jpg", "in/{}.jpg", ".\\in\\{}.jpg", "data/of/others/{}.jpg"])
@pytest.mark.parametrize("write", [_beside, _csv, _jsonl, _parquet])
def test_lists_give_splits_in_any_format(tmp_path: Path, write: Callable[[Path], None], name: str) -> None:
    write_images(tmp_path, [f"in/{letter}.jpg" for letter in "abcd"])
    write(tmp_path)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train_list.txt").write_text(f"\n{name.format('a')}\nb.jpg\n")
    (tmp_path / "my_testIds.txt").write_text("c\ngone.jpg\n")
    (tmp_path / "val.txt").write_text("Notes of what is in val.\n")
    found = {Path(name.replace("\\", "/")).stem: split for name, split in splits(tmp_path).items()}
    assert found == {"a": "train", "b": "train", "c": "test", "d": "unlisted", "gone": "test"}
    (absent,) = [sample for sample in open_source(tmp_path) if sample.problem]
    assert absent.code == "no-image"


def test_a_list_never_puts_into_train_what_a_column_has_for_test(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    (tmp_path / "d.csv").write_text("image,caption,split\na.jpg,x,train\nb.jpg,x,test\nc.jpg,x,test\n")
    (tmp_path / "train.txt").write_text("a.jpg\nb.jpg\n")
    (tmp_path / "test.txt").write_bytes(b"\xe9\xff\0\n" * 9)  # no list
    found = {sample.name: (sample.split, sample.code if sample.problem else "") for sample in open_source(tmp_path)}
    assert found == {"a.jpg": ("train", ""), "b.jpg": ("test", "split-conflict"), "c.jpg": ("test", "")}


def test_karpathy_restval_is_train(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    images = [
        {"filename": "a.jpg", "split": "restval", "cocoid": 7, "sentences": [{"raw": "one"}]},
        {"filename": "b.jpg", "split": "test", "sentences": []},
        {"split": "test"},
        "not an image",
    ]
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": images}))
    first, second, a, b = open_source(tmp_path)
    assert (a.split, a.metadata, b.split, b.captions) == ("train", {"cocoid": 7}, "test", ())
    assert "dataset_coco.json: image 2" in first.problem
    assert "dataset_coco.json: image 3" in second.problem


def test_coco_split_comes_from_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for split, name in (("train2017", "1.jpg"), ("val2017", "2.jpg")):
        write_images(tmp_path / split, [name])
        content = {
            "images": [{"id": 1, "file_name": name}, {"file_name": "x.jpg"}],
            "annotations": [
                {"image_id": 1, "caption": "one "},
                {"image_id": 9, "caption": "two"},
                {"caption": "three"},
            ],
        }
        (tmp_path / "annotations" / f"captions_{split}.json").write_text(json.dumps(content))
    samples = list(open_source(tmp_path))
    assert [(s.name, s.split, s.captions) for s in samples if not s.problem] == [
        ("1.jpg", "train", ("one",)),
        ("2.jpg", "val", ("one",)),
    ]
    entries = [
        f"captions_{n}.json: {what}" for n in ("train2017", "val2017") for what in ("image id 9", "annotation 2")
    ]
    assert sorted(s.name for s in samples if s.problem) == sorted(["x.jpg", *entries])  # without an id in either file
    one = open_source(tmp_path / "annotations" / "captions_val2017.json")
    assert [sample.name for sample in one if not sample.problem] == ["2.jpg"]


def test_a_split_column_that_contradicts_itself_fails_the_image(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    rows = ["image,caption,split", "a.jpg,one,train", "a.jpg,two,test", "b.jpg,one,../up", "c.jpg,one,"]
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    a, b, c = open_source(tmp_path)
    assert "is in train and in test" in a.problem
    assert "expected a split named" in b.problem
    assert (c.split, c.problem) == ("unlisted", "")


def test_parquet_file_names_give_splits(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        table = pyarrow.table({"image": [{"bytes": b"x", "path": None}], "text": ["words"], "label": [3]})
        pyarrow.parquet.write_table(table, tmp_path / f"{split}-00000-of-00001.parquet")
    samples = list(open_source(tmp_path))
    assert [(sample.split, sample.metadata) for sample in samples] == [("train", {"label": 3}), ("val", {"label": 3})]


def test_identities_have_templates_and_a_held_out_image(tmp_path: Path) -> None:
    write_images(tmp_path, ["Ada_Lovelace/1.jpg", "Ada_Lovelace/2.jpg", "Ada_Lovelace/3.jpg", "Bob/1.png"])
    (tmp_path / "Nobody").mkdir()
    (tmp_path / "Nobody/notes.txt").touch()  # an empty folder is nothing, in an object store as on a disk
    config = IdentitiesConfig(templates=("{name}!", "see {name}"), hold_out=True)
    samples = list(open_source(tmp_path, config=CorpusConfig(identities=config)))
    assert [sample.name for sample in samples] == [
        *(f"Ada_Lovelace/{number}.jpg" for number in (1, 2, 3)),
        *("Bob/1.png", "Nobody"),
    ]
    assert samples[0].captions == ("Ada Lovelace!", "see Ada Lovelace")
    assert [sample.split for sample in samples[:3]].count("test") == 1
    assert samples[3].split == "train"
    assert "expected images in" in samples[4].problem
    assert {sample.split for sample in open_source(tmp_path, format="identities")} == {""}
    with pytest.raises(SourceError, match=r"but it has 4 images \(Ada_Lovelace/1.jpg\); Nobody/notes.txt"):
        open_source(tmp_path)
    with pytest.raises(ConfigError, match="templates"):
        open_source(tmp_path, config=CorpusConfig(identities=IdentitiesConfig(templates=("a face",))))


def test_one_template_is_drawn_for_each_photo_by_the_seed(tmp_path: Path) -> None:
    for name in ("Ada", "Bob"):
        for number in range(20):
            place = tmp_path / "people" / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, 0, 0)).save(place)
    templates = ("{name}!", "see {name}", "{name} again")

    def captions(seed: int, **more: str) -> dict[str, tuple[str, ...]]:
        config = IdentitiesConfig(templates=templates, **more)  # type: ignore[arg-type]
        reader = open_source(
            tmp_path / "people", format="identities", config=CorpusConfig(identities=config), seed=seed
        )
        return {raw.name: raw.captions for raw in reader}

    drawn, everything = captions(1, captions="one"), captions(1)
    assert all(len(of) == 1 and of[0] in everything[photo] for photo, of in drawn.items())
    assert len({of[0] for of in drawn.values()}) == 2 * len(templates)
    assert captions(1, captions="one") == drawn != captions(2, captions="one")


def test_identities_may_stand_below_split_folders(tmp_path: Path) -> None:
    write_images(tmp_path, ["train/A/1.jpg", "test/A/2.jpg"])
    reader = open_source(tmp_path)
    assert reader.format == "identities"
    assert splits(tmp_path) == {"train/A/1.jpg": "train", "test/A/2.jpg": "test"}
