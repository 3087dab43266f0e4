"""A corpus written in every format that readers know."""

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet

from tests.support.source_making import Corpus, picture, write_images, write_tar


def write_csv(root: Path, corpus: Corpus) -> None:
    write_images(root, list(corpus))
    _write_table(root / "captions.csv", corpus, ",", "utf-8-sig", "\r\n")


def write_tsv_with_tar(root: Path, corpus: Corpus) -> None:
    write_tar(root / "a.tar", {name: picture(name) for name in corpus})
    _write_table(root / "captions.tsv", corpus, "\t", "utf-16", "\n")


def _write_table(path: Path, corpus: Corpus, delimiter: str, encoding: str, end: str) -> None:
    with path.open("w", encoding=encoding, newline="") as stream:
        table = csv.writer(stream, delimiter=delimiter, lineterminator=end)
        table.writerow(["Image", "caption_id", " caption"])
        # Captions first by number, then by image: the rows of an image are not neighbours.
        most = max(map(len, corpus.values()))
        rows = ((number, name) for number in range(most) for name in corpus if number < len(corpus[name]))
        table.writerows((name, number, corpus[name][number]) for number, name in rows)


def write_token(root: Path, corpus: Corpus) -> None:
    write_images(root / "Flicker8k_Dataset", list(corpus))
    lines = [f"{name}#{n}\t{text}\r\n" for name, texts in corpus.items() for n, text in enumerate(texts)]
    (root / "Flickr8k.token.txt").write_text("".join(lines), encoding="utf-8", newline="")


def write_karpathy(root: Path, corpus: Corpus) -> None:
    write_images(root / "val2014", list(corpus))
    images = [
        {"filename": name, "filepath": "val2014", "sentences": [{"raw": text, "tokens": []} for text in texts]}
        for name, texts in corpus.items()
    ]
    (root / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}), encoding="utf-8-sig")


def write_coco(root: Path, corpus: Corpus) -> None:
    write_images(root / "images" / "train2017", list(corpus))
    images = [{"id": number, "file_name": name, "license": 4} for number, name in enumerate(corpus)]
    pairs = [(number, text) for number, texts in enumerate(corpus.values()) for text in texts]
    annotations = [{"id": n, "image_id": image, "caption": text} for n, (image, text) in enumerate(pairs)]
    (root / "annotations").mkdir()
    licences = [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"}]
    content = {"images": images, "annotations": annotations, "licenses": licences}
    (root / "annotations" / "captions_train2017.json").write_text(json.dumps(content))


def write_jsonl_paths(root: Path, corpus: Corpus) -> None:
    write_images(root, list(corpus))
    rows = [{"file_name": name, "text": text} for name, texts in corpus.items() for text in texts]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def write_jsonl_base64(root: Path, corpus: Corpus) -> None:
    rows = [
        {"id": name, "image_base64": base64.b64encode(picture(name)).decode(), "captions": texts}
        for name, texts in corpus.items()
    ]
    (root / "all.jsonl").write_text("\n".join(map(json.dumps, rows)))


def write_parquet_paths(root: Path, corpus: Corpus) -> None:
    write_images(root / "pictures", list(corpus))
    columns = {"path": [f"pictures/{name}" for name in corpus], "captions": list(corpus.values())}
    pyarrow.parquet.write_table(pyarrow.table(columns), root / "rows.parquet")


def write_parquet_hugging_face(root: Path, corpus: Corpus) -> None:
    images = [{"bytes": picture(name), "path": name} for name in corpus]
    (root / "data").mkdir()
    table = pyarrow.table({"image": images, "caption": list(corpus.values())})
    pyarrow.parquet.write_table(table, root / "data" / "part-00000-of-00001.parquet")


WRITERS: dict[str, Callable[[Path, Corpus], None]] = {
    "csv": write_csv,
    "csv ": write_tsv_with_tar,
    "flickr-token": write_token,
    "karpathy": write_karpathy,
    "coco": write_coco,
    "imagefolder": write_jsonl_paths,
    "jsonl": write_jsonl_base64,
    "parquet": write_parquet_paths,
    "parquet ": write_parquet_hugging_face,
}
