"""Good sources of every format whose captions name their pictures, and random damage to them."""

import csv
import io
import json
import random
import string
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
from PIL import Image

NAMES = ("otter", "bison", "heron", "lemur", "zebra")
"""The pictures. No damage to one letter makes one of the other: in file names and captions alike."""


def drawn(name: str) -> bytes:
    """A picture of its own, as a PNG."""
    stream = io.BytesIO()
    Image.new("RGB", (16, 12), (NAMES.index(name) * 50, 200, 60)).save(stream, "PNG")
    return stream.getvalue()


def caption_of(name: str, view: int = 0) -> str:
    """A caption that says which picture it is of."""
    return f"view {view} of the {name} by the sea"


def _images(root: Path, folder: str = "") -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (root / folder / f"{name}.png").write_bytes(drawn(name))


def _csv(root: Path) -> None:
    _images(root, "images/")
    with (root / "captions.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["image", "caption"])
        table.writerows((f"images/{name}.png", caption_of(name, view)) for name in NAMES for view in range(2))


def _jsonl(root: Path) -> None:
    _images(root, "pictures/")
    records = [{"file_name": f"pictures/{name}.png", "text": caption_of(name)} for name in NAMES]
    (root / "metadata.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def _token(root: Path) -> None:
    _images(root, "Images/")
    lines = [f"{name}.png#{view}\t{caption_of(name, view)}\n" for name in NAMES for view in range(2)]
    (root / "Flickr8k.token.txt").write_text("".join(lines))


def _karpathy(root: Path) -> None:
    _images(root)
    images = [{"filename": f"{name}.png", "split": "train", "sentences": [{"raw": caption_of(name)}]} for name in NAMES]
    (root / "dataset_flickr8k.json").write_text(json.dumps({"images": images}))


def _coco(root: Path) -> None:
    _images(root, "train2017/")
    ids = {name: 111111 * place for place, name in enumerate(NAMES, start=1)}
    images = [{"id": ids[name], "file_name": f"{name}.png"} for name in NAMES]
    annotations = [{"id": n, "image_id": ids[name], "caption": caption_of(name)} for n, name in enumerate(NAMES)]
    (root / "annotations").mkdir()
    content = {"images": images, "annotations": annotations}
    (root / "annotations" / "captions_train2017.json").write_text(json.dumps(content))


def _parquet(root: Path) -> None:
    table = pyarrow.table(
        {
            "image": [{"bytes": drawn(name), "path": f"{name}.png"} for name in NAMES],
            "text": [caption_of(name) for name in NAMES],
        }
    )
    (root / "data").mkdir()
    pyarrow.parquet.write_table(table, root / "data" / "train-00000-of-00001.parquet")


def _tars(root: Path) -> None:
    for shard in range(2):
        with tarfile.open(root / f"{shard:05d}.tar", "w") as tar:
            for name in NAMES[shard::2]:
                meta = json.dumps({"caption": caption_of(name), "url": "http://x.org/a.png"}).encode()
                for suffix, data in (("png", drawn(name)), ("txt", caption_of(name).encode()), ("json", meta)):
                    info = tarfile.TarInfo(f"{name}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


def _beside(root: Path) -> None:
    _images(root, "10_views/")
    for name in NAMES:
        (root / "10_views" / f"{name}.txt").write_text(caption_of(name))


def _identities(root: Path) -> None:
    for name in NAMES:  # the templates make captions of it
        (root / name).mkdir()
        (root / name / "a.png").write_bytes(drawn(name))


SOURCES: dict[str, Callable[[Path], None]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "flickr-token": _token,
    "karpathy": _karpathy,
    "coco": _coco,
    "parquet": _parquet,
    "webdataset": _tars,
    "beside": _beside,
    "identities": _identities,
}


def damage(root: Path, rng: random.Random) -> str:
    """Does one thing to a source and says what."""
    mutation = rng.choice(_MUTATIONS)
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{mutation.__name__}: {mutation(root, rng.choice(files), rng)}" if files else "nothing is left"


def _flip(_: Path, file: Path, rng: random.Random) -> str:
    data = bytearray(file.read_bytes())
    for _time in range(rng.randint(1, 4)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    file.write_bytes(data)
    return file.name


def _cut(_: Path, file: Path, rng: random.Random) -> str:
    data = file.read_bytes()
    file.write_bytes(data[: rng.randrange(len(data) + 1)])
    return file.name


def _insert(_: Path, file: Path, rng: random.Random) -> str:
    data = file.read_bytes()
    place = rng.randrange(len(data) + 1)
    extra = rng.choice([b'"', b"'", b"\0", b"\n", b"\r\n", b",", b"\t", b"{", b"]", b"\xff\xfe", "ü".encode(), b"\\"])
    file.write_bytes(data[:place] + extra + data[place:])
    return f"{file.name} {extra!r}"


def _double_lines(_: Path, file: Path, rng: random.Random) -> str:
    lines = file.read_bytes().splitlines(keepends=True)
    if lines:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
        file.write_bytes(b"".join(lines))
    return file.name


def _drop_line(_: Path, file: Path, rng: random.Random) -> str:
    lines = file.read_bytes().splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
        file.write_bytes(b"".join(lines))
    return file.name


def _rename(_: Path, file: Path, rng: random.Random) -> str:
    letters = "".join(rng.choices(string.ascii_letters + "._- äß", k=rng.randint(1, 8))).strip(". ") or "x"
    name = rng.choice(
        [
            file.name.upper(),
            unicodedata.normalize("NFD", f"ü{file.name}"),
            f"{file.stem}.x{file.suffix}",
            f"{letters}{file.suffix}",
            file.stem,
            f".{file.name}",
            f"{file.name}.bak",
            f"{file.stem}{rng.choice(['.jpg', '.txt', '.json', '.csv', '.tar', '.parquet'])}",
        ]
    )
    if not (file.parent / name).exists():
        file.rename(file.parent / name)
    return f"{file.name} -> {name}"


def _move(root: Path, file: Path, rng: random.Random) -> str:
    folder = root / rng.choice(["deeper/still", "train", "test", "__MACOSX", ".hidden", "val", "images"])
    folder.mkdir(parents=True, exist_ok=True) if not folder.is_file() else None
    if folder.is_dir() and not (folder / file.name).exists():
        file.rename(folder / file.name)
    return f"{file.name} -> {folder.name}"


def _delete(_: Path, file: Path, rng: random.Random) -> str:
    file.unlink()
    return file.name


def _litter(root: Path, file: Path, rng: random.Random) -> str:
    name = rng.choice(["._" + file.name, ".DS_Store", "README.md", "Thumbs.db", "notes.txt", "log.json", "LICENSE"])
    (file.parent / name).write_bytes(rng.choice([b"\0\5\x16\7", b"some words\n", file.read_bytes()]))
    return name


def _link(_: Path, file: Path, rng: random.Random) -> str:
    name = f"link to {file.name}"
    target = rng.choice([name, file.name, "/etc/hostname", ".."])
    if not (file.parent / name).is_symlink() and not (file.parent / name).exists():
        (file.parent / name).symlink_to(target)
    return f"{name} -> {target}"


def _odd_name(_: Path, file: Path, rng: random.Random) -> str:
    name = file.stem.encode() + rng.choice([b"\xff", b"\t", b"\n", b" ", b"%20", b"'"]) + file.suffix.encode()
    file.rename(Path(str(file.parent)) / name.decode("utf-8", "surrogateescape"))
    return repr(name)


def _empty(_: Path, file: Path, rng: random.Random) -> str:
    file.write_bytes(b"")
    return file.name


_MUTATIONS = (
    _flip, _cut, _insert, _double_lines, _drop_line, _rename, _move, _delete, _litter, _link, _odd_name, _empty,
)  # fmt: skip
