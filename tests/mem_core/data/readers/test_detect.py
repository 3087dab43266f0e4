"""Detection as a table: a listing, with the first look at its texts, and the format that it is, or the refusal."""

import json
from collections.abc import Mapping

import pytest

from mem_core.common.errors import SourceError
from mem_core.config import CorpusConfig, IdentitiesConfig
from mem_core.data.readers.detect import LOOKED_FOR, Detected, detected

CSV = "image,caption\n0.jpg,words\n"
TOKEN = "0.jpg#0\tA dog .\n0.jpg#1\tIt runs .\n"
RECORD = '{"image": "0.jpg", "caption": "words"}'
METADATA = '{"file_name": "0.jpg", "text": "words"}\n'
COCO = '{"images": [{"id": 1, "file_name": "0.jpg"}], "annotations": [{"image_id": 1, "id": 1, "caption": "words"}]}'
BOXES = '{"images": [{"id": 1, "file_name": "0.jpg"}], "annotations": [{"image_id": 1, "id": 1, "bbox": [0, 0, 1, 1]}]}'
KARPATHY = '{"images": [{"sentids": [0], "filename": "0.jpg", "sentences": [{"raw": "words"}]}], "dataset": "flickr8k"}'
SIDECAR = "caption\nurl\nkey\nstatus\nerror_message\nwidth\nheight\nsha256"
OURS = "key\nstatus\nreason\ncode\nname\ncaption\nsha256"
TAR = "000000000.jpg\n000000000.json\n000000000.txt"
PICTURES = ("images/0.jpg", "images/1.jpg")
FOUND_BESIDE = '{"caption": "words", "url": "http://x.example/0.jpg", "key": "000000000", "status": "success"}'

Source = Mapping[str, str] | tuple[str, ...]


def pictures(*names: str, **texts: str) -> dict[str, str]:
    return dict.fromkeys(names or PICTURES, "")


IS: list[tuple[str, str, Source]] = [
    # Tables
    ("csv", "captions.csv beside images", {**pictures(), "captions.csv": CSV}),
    ("csv", "a table of any name, two folders down", {**pictures(), "a/b/list.csv": CSV}),
    ("csv", "Flickr8k from Kaggle", {**pictures("Images/0.jpg"), "captions.txt": CSV}),
    ("csv", "Flickr30k's results.csv", {**pictures(),
        "results.csv": "image_name| comment_number| comment\n0.jpg| 0| x"}),
    ("csv", "with tabs", {**pictures(), "Train_GCC.tsv": "caption\tfile\nwords\t0.jpg\n"}),
    ("csv", "train.csv and test.csv", {**pictures(), "train.csv": CSV, "test.csv": CSV}),
    ("csv", "two tables with different columns", {**pictures(), "a.csv": CSV,
        "b.tsv": "file_name\ttext\n0.jpg\twords"}),
    ("csv", "a table of other things beside", {**pictures(), "a.csv": CSV, "authors.csv": "name,mail\nAda,x"}),
    ("csv", "images in a tar", {"a.csv": CSV, "images.tar": "0.jpg\n1.jpg"}),
    ("csv", "images in a tar of the table's name", {"a.csv": CSV, "a.tar": "0.jpg\n1.jpg"}),
    ("csv", "no images here", {"a.csv": CSV}),
    ("csv", "a card, a licence, a log", {**pictures(), "a.csv": CSV, "README.txt": "Our data", "LICENSE": "free"}),
    ("csv", "a PDF about it", {**pictures(), "a.csv": CSV, "paper.pdf": "%PDF"}),
    ("csv", "side files of it", {**pictures(), "list.csv": CSV, "._list.csv": "\0\5\x16", "~$list.csv": "x"}),
    # Token files
    ("flickr-token", "Flickr8k as given out", {
        **pictures("Flicker8k_Dataset/0.jpg"), "Flickr8k_text/Flickr8k.token.txt": TOKEN,
        "Flickr8k_text/Flickr8k.lemma.token.txt": TOKEN, "Flickr8k_text/Flickr_8k.trainImages.txt": "0.jpg\n",
        "Flickr8k_text/CrowdFlowerAnnotations.txt": "0.jpg\t0.jpg#2\t0.1\t1\t3\n", "Flickr8k_text/readme.txt": "Hello",
    }),
    ("flickr-token", "Flickr30k's", {**pictures("flickr30k-images/0.jpg"), "results_20130124.token": TOKEN}),
    ("flickr-token", "under another name", {**pictures(), "all.txt": TOKEN}),
    # JSON
    ("karpathy", "dataset_flickr8k.json", {**pictures(), "dataset_flickr8k.json": KARPATHY}),
    ("karpathy", "under another name", {**pictures(), "splits.json": KARPATHY}),
    ("coco", "COCO 2017 as given out", {
        **pictures("train2017/0.jpg", "val2017/0.jpg"), "annotations/captions_train2017.json": COCO,
        "annotations/captions_val2017.json": COCO, "annotations/instances_val2017.json": BOXES,
        "annotations/person_keypoints_val2017.json": BOXES,
    }),
    ("coco", "under other names", {**pictures(), "train.json": COCO, "val.json": COCO}),
    ("coco", "annotations first", {
        **pictures(), "a.json": '{"annotations": [{"image_id": 1, "caption": "x"}], "images": []}',
    }),
    ("coco", "with macOS's side files", {**pictures(), "captions_train2017.json": COCO,
        "._captions_train2017.json": "\0"}),
    ("jsonl", "lines", {**pictures(), "all.jsonl": RECORD + "\n" + RECORD}),
    ("jsonl", "a list of records", {**pictures(), "captions.json": f"[{RECORD}, {RECORD}]"}),
    ("jsonl", "records by ids", {**pictures(), "captions.json": '{"id 1": ' + RECORD + "}"}),
    ("jsonl", "lines under .json", {**pictures(), "train.json": f"{RECORD}\n{RECORD}\n"}),
    ("jsonl", "longer than the look", {"all.jsonl": '{"id": 1, "caption": "words", "image_base64": "' + "A" * 200}),
    ("jsonl", "metadata.jsonl whose images are in a tar", {"metadata.jsonl": METADATA, "a.tar": "0.jpg"}),
    ("jsonl", "with macOS's side files", {**pictures("0.jpg"), "list.jsonl": RECORD, "._list.jsonl": "\0",
        "._0.jpg": ""}),
    # Hugging Face
    ("imagefolder", "metadata.jsonl at the top", {**pictures("0.jpg"), "metadata.jsonl": METADATA}),
    ("imagefolder", "metadata.csv at the top", {**pictures("a/0.jpg"), "metadata.csv": "file_name,text\na/0.jpg,x"}),
    ("imagefolder", "metadata in split folders", {
        **pictures("train/0.jpg", "test/0.jpg"), "train/metadata.jsonl": METADATA, "test/metadata.jsonl": METADATA,
    }),
    ("imagefolder", "metadata.parquet", {**pictures("train/0.jpg"), "train/metadata.parquet": "file_name\ntext"}),
    ("parquet", "a data set of the hub", {
        "data/train-00000-of-00002.parquet": "image\ncaption",
        "data/validation-00000-of-00001.parquet": "image\ncaption",
        "README.md": "---", "dataset_infos.json": '{"default": {"features": {}}}', ".gitattributes": "x",
    }),
    ("parquet", "configurations in folders", {**pictures(), "data/en/train-00000-of-00001.parquet": "image\ncaption"}),
    ("parquet", "paths in a tar of its name", {"train.parquet": "path\ntext", "train.tar": "0.jpg\n1.jpg"}),
    ("parquet", "datatrove's output", {"00000.parquet": "text\nid\nmedia\nimage",
        "00001.parquet": "text\nid\nmedia\nimage"}),
    # Tars
    ("webdataset", "img2dataset's tars", {
        "00000.tar": TAR, "00000.parquet": SIDECAR, "00000_stats.json": '{"count": 6}', "00001.tar": TAR,
    }),
    ("webdataset", "a sidecar whose tar is gone", {"00000.tar": TAR, "00001.parquet": SIDECAR,
        "00001_stats.json": "{}"}),
    ("webdataset", "our own corpus", {
        "train/00000.tar": TAR, "train/00000.parquet": OURS, "train/00000.receipt.json": "{}",
        "train/manifest.json": "{}",
        "sharding.json": "{}", "test/00000.tar": TAR,
    }),
    ("webdataset", "the hub's files about it", {"00000.tar": TAR, "dataset_infos.json": "{}", "README.md": "-",
        "wids.json": "{}"}),
    ("webdataset", "at the top and in val/", {"00000.tar": TAR, "val/00000.tar": TAR}),
    ("webdataset", "train-*.tar and test-*.tar", {"train-00000.tar": TAR, "test-00000.tar": TAR}),
    ("webdataset", "macOS's side files", {"00000.tar": TAR, "._00000.tar": "\0", "__MACOSX/._00000.tar": "\0"}),
    ("webdataset", "a table of addresses beside", {"00000.tar": TAR,
        "urls.csv": "url,caption\nhttp://x.example,words"}),
    ("webdataset", "packed tars", {"00000.tar.gz": TAR, "00000.parquet": SIDECAR, "00001.TAR": TAR}),
    ("webdataset", "a preview beside", {"00000.tar": TAR, "preview.png": ""}),
    # Captions beside images
    ("beside", "kohya's folders", {
        "10_cats/0.jpg": "", "10_cats/0.txt": "a cat", "5_dogs/0.jpg": "", "5_dogs/0.txt": "a dog",
    }),
    ("beside", "flat", {"0.jpg": "", "0.txt": "a cat", "1.png": ""}),
    ("beside", ".caption", {"0.jpg": "", "0.caption": "a cat"}),
    ("beside", "the whole name with .txt", {"0.jpg": "", "0.jpg.txt": "a cat"}),
    ("beside", "other letter case", {"IMG_0.JPG": "", "img_0.TXT": "a cat"}),
    ("beside", "JSON with a caption", {"0.jpg": "", "0.json": '{"caption": "a cat", "tags": []}'}),
    ("beside", "img2dataset's files", {
        "00000/000000000.jpg": "", "00000/000000000.txt": "a cat", "00000/000000000.json": FOUND_BESIDE,
        "00000.parquet": SIDECAR, "00000_stats.json": '{"count": 6}',
    }),
    ("beside", "an image called license", {"license.jpg": "", "license.txt": "a driver's license"}),
    ("beside", "an empty caption", {"0.jpg": "", "0.txt": "", "1.jpg": "", "1.txt": "a cat"}),
    # Folders of images and nothing else
    ("identities", "people", pictures("Ada_Lovelace/0.jpg", "Alan_Turing/0.jpg")),
    ("identities", "below split folders", pictures("train/Ada/0.jpg", "test/Ada/1.jpg")),
    ("identities", "litter and a card beside", pictures(
        "Ada/0.jpg", "Ada/._0.jpg", "__MACOSX/Ada/._0.jpg", "Ada/.DS_Store", "Bob/Thumbs.db", "Bob/1.jpg",
        "Bob/@eaDir/1.jpg/SYNO.jpg", "Bob/.trashed-1-2.jpg", "README.md", "LICENSE", "train.log",
    )),
    ("identities", "pictures deeper and beside", pictures("Ada/0.jpg", "Ada/holiday/1.jpg", "group.jpg")),
    ("identities", "names with words of other things", pictures("Dataset_the_cat/0.jpg", "Class_Ada/0.jpg",
        "100_CATS and dogs/0.jpg")),
    ("identities", "a film beside", pictures("Ada/0.jpg", "Ada/1.mp4")),
    ("identities", "a folder around all", pictures("images/Ada/0.jpg", "images/Alan/0.jpg")),
    ("identities", "a folder around splits", pictures("lfw/train/Ada/0.jpg", "lfw/test/Ada/0.jpg")),
]  # fmt: skip

REFUSED: list[tuple[str, Source]] = [
    ("no file that could be either. The nearest formats are csv .* and beside", {}),
    ("no file that could be either", pictures("._0.jpg", ".DS_Store", "__MACOSX/1.jpg")),
    (r"notes.txt, which is text without a header", {"notes.txt": "Some words.\n"}),
    (r"2 images \(0.jpg\). The nearest formats are csv", pictures("0.jpg", "1.jpg")),
    (r"2 images \(images/0.jpg\). The nearest formats are identities", pictures()),
    (r"images \(test/0.jpg\)", pictures("train/0.jpg", "test/0.jpg")),
    *((rf"images \({folder}/0.jpg\)", pictures(f"{folder}/0.jpg", f"{folder}/1.jpg")) for folder in (
        "Flicker8k_Dataset", "flickr30k-images", "images_1", "class2", "trainA", "100APPLE", "My photos",
        "Photos from 2021", "New folder", "train/n01440764", "3fa2c9de", "Camera Roll")),
    (r"images \(00000/0.jpg\)", pictures("00000/0.jpg", "00001/0.jpg")),
    ("bilder.csv, which has the columns Datei, Beschreibung: no image among them and no caption among them.*image_path",
     {**pictures(), "bilder.csv": "Datei;Beschreibung\n0.jpg;x\n"}),
    ("labels.txt, which is text without", {**pictures("Ada/0.jpg"), "labels.txt": "Ada\nAlan\n"}),
    ("notes.json, which is JSON with what", {**pictures("Ada/0.jpg"), "notes.json": '{"what": 1}'}),
    ("Ada/0.md, which is no kind of caption file", {**pictures("Ada/0.jpg"), "Ada/0.md": "a woman"}),
    ("Ada/0.xml, which is no kind of caption file", {**pictures("Ada/0.jpg"), "Ada/0.xml": "<annotation/>"}),
    (r"2 files without a caption beside images \(a/0.txt\)",
     {"a/0.jpg": "", "a/0.txt": "0 0.5 0.5 0.1 0.1\n", "a/1.jpg": "", "a/1.txt": "1 0.5 0.5 0.1 0.1\n"}),
    (r"1 file without a caption beside images \(a/0.json\)",
     {"a/0.jpg": "", "a/0.json": '{"shapes": [], "imagePath": ""}'}),
    ("captions/0.txt, which is text without a header of columns, and no picture of its name",
     {"images/0.jpg": "", "captions/0.txt": "a cat"}),
    (r"00000.parquet, which has the columns caption, url, key", {"00000.parquet": SIDECAR, "00000_stats.json": "{}"}),
    ("urls.parquet.*pictures on the web are to be loaded first", {"urls.parquet": "url\ncaption"}),
    ("cc3m.tsv.*pictures on the web are to be loaded first", {"cc3m.tsv": "a dog runs\thttp://x.example/1.jpg\n"}),
    ("only.parquet, which has the columns image, label: no caption", {"only.parquet": "image\nlabel"}),
    ("instances.json, which has images and annotations, but no captions", {**pictures(), "instances.json": BOXES}),
    ("images.zip, which is packed: unpack it first", {"images.zip": "PK", "train.log": "x"}),
    ("data.arrow, which is Arrow", {"data.arrow": "x"}),
    ("captions.csv, which is empty", {**pictures("Ada/0.jpg"), "captions.csv": ""}),
    (r"got csv \(a.csv\) and jsonl \(b.jsonl\)", {**pictures(), "a.csv": CSV, "b.jsonl": RECORD}),
    (r"got csv \(a.csv\) and beside \(0.txt\)", {"a.csv": CSV, "0.jpg": "", "0.txt": "a cat"}),
    (r"got csv \(a.csv\) and webdataset \(0.tar\)", {"a.csv": CSV, "0.tar": TAR}),
    (r"got beside \(a/0.txt\) and webdataset \(0.tar\)", {"a/0.jpg": "", "a/0.txt": "a cat", "0.tar": TAR}),
    (r"got coco \(c.json\) and karpathy \(d.json\)", {"c.json": COCO, "d.json": KARPATHY}),
]  # fmt: skip


def detect(source: Source, config: CorpusConfig = CorpusConfig(), format: str = "auto") -> Detected:
    texts = dict(source) if isinstance(source, Mapping) else dict.fromkeys(source, "")
    return detected(sorted(texts), texts.__getitem__, "place", config, format)


@pytest.mark.parametrize(("format", "kind", "source"), IS, ids=[f"{format}: {kind}" for format, kind, _ in IS])
def test_a_source_is_understood(format: str, kind: str, source: Source) -> None:
    found = detect(source)
    assert found.format == format, kind
    assert found.files
    assert found.reason


@pytest.mark.parametrize(("sentence", "source"), REFUSED, ids=[sentence for sentence, _ in REFUSED])
def test_a_source_is_refused_with_what_was_seen(sentence: str, source: Source) -> None:
    with pytest.raises(SourceError, match=sentence) as refused:
        detect(source)
    assert "got" in str(refused.value) or sum(f"{name} (" in str(refused.value) for name in LOOKED_FOR) == 2


def test_there_are_sixty_listings_and_every_format() -> None:
    assert len(IS) + len(REFUSED) >= 60
    assert {format for format, _, _ in IS} == set(LOOKED_FOR)


def test_captions_are_made_of_folder_names_where_that_is_asked_for() -> None:
    source = {**pictures("Ada/0.jpg", "images/1.jpg"), "notes.txt": "words"}
    assert detect(source, format="identities").files == ("Ada/0.jpg", "images/1.jpg")
    asked = CorpusConfig(identities=IdentitiesConfig(templates=("a face of {name}",)))
    assert detect(source, asked).format == "identities"
    assert detect({**source, "captions.csv": CSV}, asked).format == "csv"


def test_columns_of_other_names_are_named() -> None:
    source = {**pictures(), "bilder.csv": "Datei;Beschreibung\n0.jpg;x\n"}
    found = detect(source, CorpusConfig(image_key="Datei", caption_key="Beschreibung"))
    assert (found.format, found.files) == ("csv", ("bilder.csv",))
    with pytest.raises(SourceError) as refused:
        detect(source)
    assert refused.value.hint == "name the columns"


def test_a_column_that_was_asked_for_is_named_where_it_is_missing() -> None:
    with pytest.raises(SourceError) as refused:
        detect({"a.csv": CSV}, CorpusConfig(caption_key="nope"))
    assert str(refused.value) == (
        "expected captions in a column or key 'nope' in place, but it has a.csv, which has the columns image, caption: "
        "no caption among them"
    )
    assert refused.value.hint == "name the columns"
    with pytest.raises(SourceError, match="expected images in a column or key 'a' and captions in a column or key 'b'"):
        detect({"a.csv": CSV}, CorpusConfig(image_key="a", caption_key="b"))


def test_what_is_not_read_is_said() -> None:
    found = detect({"00000.tar": TAR, "00001.parquet": SIDECAR, "00000.parquet": SIDECAR})
    assert found.notes == ("00001.parquet is about samples of a tar or folder that is not here",)
    found = detect({**pictures(), "a.csv": CSV, "mails.csv": "name,mail\nAda,x"})
    assert found.notes == (
        "mails.csv is not read: it has the columns name, mail: no image among them and no caption among them",
    )


def test_a_parquet_that_cannot_be_read_is_read_with_the_others_to_be_refused() -> None:
    found = detect({"a.parquet": "image\ntext", "b.parquet": "", "c.parquet": "price\nitem"})
    assert found.files == ("a.parquet", "b.parquet")
    assert found.notes == (
        "c.parquet is not read: it has the columns price, item: no image among them and no caption among them",
    )


def test_a_format_that_is_asked_for_is_read_or_said_to_be_absent() -> None:
    source = {**pictures(), "bilder.csv": "Datei;Beschreibung\n", "metadata.jsonl": METADATA}
    assert detect(source, format="csv").files == ("bilder.csv",)
    assert detect(source, format="jsonl").files == ("metadata.jsonl",)
    with pytest.raises(SourceError, match=r"format karpathy \(a .json with images that have sentences\) in place"):
        detect(source, format="karpathy")


def test_few_of_many_files_are_looked_at() -> None:
    looked: list[str] = []
    texts = {f"{n:05d}.parquet": "image\ncaption" for n in range(3000)}
    texts |= {f"more/{n:05d}.jpg": "" for n in range(3000)} | {f"more/{n:05d}.txt": "words" for n in range(3000)}

    def look(path: str) -> str:
        looked.append(path)
        return texts[path]

    with pytest.raises(SourceError, match="got parquet .* and beside"):
        detected(sorted(texts), look, "place")
    assert len(looked) < 30


def test_the_keys_of_records_are_seen_in_any_json() -> None:
    nested = json.dumps({"data": [{"image": "0.jpg", "caption": "words"}]})
    named = json.dumps({"0.jpg": "words"})
    for content in (nested, named):
        assert detect({**pictures("Ada/0.jpg"), "a.json": content}).format == "jsonl"
    with pytest.raises(SourceError, match="a.json, which is JSON with data"):
        detect({**pictures("Ada/0.jpg"), "a.json": json.dumps({"data": [{"image": "0.jpg"}]})})
