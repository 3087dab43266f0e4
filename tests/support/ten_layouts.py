"""Ten layouts of sources, and docs/formats.md's part that shows what `shard --dry-run` says of each.

`python -m tests.support.ten_layouts` writes that part anew; a test compares it.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from mem_core.config import CorpusConfig
from mem_core.data.readers import open_source
from mem_core.data.source_look import look_at_source
from tests.support.source_making import picture, write_tar

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"
BEGIN, END = "<!-- dry runs -->\n", "<!-- end of dry runs -->\n"


def _write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _pictures(*names: str) -> dict[str, str | bytes]:
    return {name: picture(name) for name in names}


def _tables(root: Path) -> None:
    _write(root, {**_pictures("images/0.jpg", "images/1.jpg", "images/2.jpg", "images/._0.jpg"), "train.csv":
           "image,caption\nimages/0.jpg,a red boat\nimages/0.jpg,a boat at sea\nimages/9.jpg,a lost cat\n",
           "test.csv": "image,caption\nimages/1.jpg,two dogs\n", "prices.csv": "item,price\nboat,3\n"})  # fmt: skip


def _token(root: Path) -> None:
    _write(root, {**_pictures("Flicker8k_Dataset/1.jpg", "Flicker8k_Dataset/2.jpg"),
           "Flickr8k_text/Flickr8k.token.txt": "1.jpg#0\tA dog runs .\n1.jpg#1\tA dog .\n2.jpg#0\tA child plays .\n",
           "Flickr8k_text/Flickr_8k.trainImages.txt": "1.jpg\n",
           "Flickr8k_text/Flickr_8k.testImages.txt": "2.jpg\n"})  # fmt: skip


def _karpathy(root: Path) -> None:
    images = [
        {"filename": f"{n}.jpg", "split": split, "sentences": [{"raw": f"picture {n}"}]}
        for n, split in enumerate(("restval", "val", "test"))
    ]
    _write(root, {**_pictures("0.jpg", "1.jpg", "2.jpg"), "dataset_coco.json": json.dumps({"images": images})})


def _coco(root: Path) -> None:
    for split in ("train2017", "val2017"):
        content = {"images": [{"id": 1, "file_name": f"{split[0]}.jpg"}],
                   "annotations": [{"image_id": 1, "id": 1, "caption": f"of {split}"}]}  # fmt: skip
        name = f"annotations/captions_{split}.json"
        _write(root, {name: json.dumps(content), **_pictures(f"{split}/{split[0]}.jpg")})


def _jsonl(root: Path) -> None:
    lines = [json.dumps({"image": f"{n}.jpg", "captions": ["one", "two"], "split": "train"}) for n in range(2)]
    _write(root, {**_pictures("0.jpg", "1.jpg"), "captions.jsonl": "\n".join(lines)})


def _parquet(root: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (root / "data").mkdir()
    for split in ("train", "validation"):
        images = [{"bytes": picture(split), "path": f"{split}.jpg"}]
        table = pyarrow.table({"image": images, "text": [f"words of {split}"]})
        pyarrow.parquet.write_table(table, root / "data" / f"{split}-00000-of-00001.parquet")
    _write(root, {"README.md": "A dataset card", "dataset_infos.json": "{}"})


def _tars(root: Path) -> None:
    for number, place in enumerate(("00000", "val/00000")):
        (root / place).parent.mkdir(exist_ok=True)
        write_tar(root / f"{place}.tar", {f"{number}.jpg": picture(place), f"{number}.txt": f"tar {number}".encode()})
    _write(root, {"00000_stats.json": "{}", "._00000.tar": "side file"})


def _beside(root: Path) -> None:
    _write(root, {**_pictures("10_cats/0.jpg", "10_cats/1.jpg", "5_dogs/0.jpg"), "10_cats/0.txt": "a cat sleeps",
           "5_dogs/0.json": '{"caption": "a dog runs"}'})  # fmt: skip


def _imagefolder(root: Path) -> None:
    for split in ("train", "test"):
        line = json.dumps({"file_name": "0.jpg", "text": f"words of {split}"})
        _write(root, {f"{split}/metadata.jsonl": line, **_pictures(f"{split}/0.jpg")})


def _identities(root: Path) -> None:
    _write(root, {**_pictures("Ada_Lovelace/0.jpg", "Ada_Lovelace/1.jpg", "Alan_Turing/0.jpg"), "LICENSE": "free"})


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "csv": _tables,
    "flickr-token": _token,
    "karpathy": _karpathy,
    "coco": _coco,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "webdataset": _tars,
    "beside": _beside,
    "imagefolder": _imagefolder,
    "identities": _identities,
}


def dry_runs() -> str:
    """The part of the docs: the files of each layout, and what is said of them."""
    parts = []
    for name, make in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            make(root)
            files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
            reader = open_source(root, config=CorpusConfig())
            said = [line.replace(folder, name) for line in look_at_source(reader).lines()]
        listing = [f"    {name}/", *(f"      {file}" for file in files)]
        shown = [f"    $ memshield shard {name} --dry-run", *(f"    {line}" for line in said)]
        parts.append("\n".join([f"### {name}", "", *listing, "", *shown, ""]))
    return "\n" + "\n".join(parts) + "\n"


if __name__ == "__main__":
    before, _, rest = DOCS.read_text().partition(BEGIN)
    DOCS.write_text(before + BEGIN + dry_runs() + END + rest.partition(END)[2])
