"""Which format a source is in, from the names of its files alone."""

from collections.abc import Callable
from pathlib import Path

from mem_core.data.readers.base import split_word
from mem_core.data.readers.csv_table import has_header
from mem_core.data.readers.identities import image_files, subfolders
from mem_core.errors import SourceError

LOOKED_FOR = {
    "csv": "captions.csv, captions.tsv, captions.txt, results.csv, or a single *.csv or *.tsv with a header",
    "flickr-token": "*.token or *.token.txt",
    "karpathy": "dataset*.json",
    "coco": "annotations/captions_*.json or captions_*.json",
    "jsonl": "one *.jsonl or *.ndjson",
    "parquet": "*.parquet, also in data/",
    "webdataset": "*.tar, or folders of them such as train/*.tar",
    "identities": "one folder of images for each identity",
}


def find(root: Path, source_format: str) -> list[Path]:
    """The caption files (or tars, or folders) that make the folder a source of this format; nothing if it is none."""
    return _FINDERS[source_format](root)


def detect(source: Path) -> str:
    """The format of a folder or a single file. Raises `SourceError` if none fits or several do."""
    if source.is_file():
        return _of_file(source)
    captioned = [name for name in LOOKED_FOR if name not in ("webdataset", "identities") and find(source, name)]
    if len(captioned) > 1:
        what = " and ".join(captioned)
        raise SourceError(f"expected one kind of caption files in {source}, got {what}: choose one with --format")
    for source_format in (*captioned, "webdataset", "identities"):
        if find(source, source_format):
            return source_format
    listed = "; ".join(f"{name} ({what})" for name, what in LOOKED_FOR.items())
    raise SourceError(f"expected a source in a known format in {source}, but found none of: {listed}")


def _of_file(path: Path) -> str:
    name = path.name.lower()
    if name.endswith((".token", ".token.txt")):
        return "flickr-token"
    if path.suffix.lower() == ".json":
        return "coco" if name.startswith("captions_") else "karpathy"
    suffixes = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
    suffixes |= {".parquet": "parquet", ".tar": "webdataset"}
    if path.suffix.lower() not in suffixes:
        raise SourceError(f"expected a folder or a file of a known format ({', '.join(suffixes)}, .json), got {path}")
    return suffixes[path.suffix.lower()]


def _files(root: Path, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in root.glob(pattern) if path.is_file())


def _csv(root: Path) -> list[Path]:
    for name in ("captions.csv", "captions.tsv", "captions.txt", "results.csv"):
        if (path := root / name).is_file() and (name != "captions.txt" or has_header(path)):
            return [path]
    tables = _files(root, "*.csv", "*.tsv")
    return [path for path in tables if has_header(path)] if len(tables) == 1 else []


def _token(root: Path) -> list[Path]:
    found = _files(root, "*.token", "*.token.txt", "*/*.token", "*/*.token.txt")
    # Flickr8k also ships Flickr8k.lemma.token.txt: the same captions with words reduced to their stems.
    return [path for path in found if "lemma" not in path.name.lower()]


def _karpathy(root: Path) -> list[Path]:
    return _files(root, "dataset*.json")


def _coco(root: Path) -> list[Path]:
    return _files(root, "annotations/captions_*.json") or _files(root, "captions_*.json")


def _jsonl(root: Path) -> list[Path]:
    return _files(root, "*.jsonl", "*.ndjson")


def _parquet(root: Path) -> list[Path]:
    found = _files(root, "*.parquet", "data/*.parquet")
    return [path for path in found if not path.with_suffix(".tar").exists()]  # else it is img2dataset's sidecar


def _tars(root: Path) -> list[Path]:
    below = [path for path in _files(root, "*/*.tar") if _is_split(path.parent.name)]
    return _files(root, "*.tar") or below


def _is_split(name: str) -> bool:
    try:
        return bool(split_word(name))
    except ValueError:
        return False


def _identities(root: Path) -> list[Path]:
    folders = subfolders(root)
    deeper = [below for folder in folders for below in subfolders(folder)]
    return [folder for folder in (*folders, *deeper) if image_files(folder)]


_FINDERS: dict[str, Callable[[Path], list[Path]]] = {
    "csv": _csv,
    "flickr-token": _token,
    "karpathy": _karpathy,
    "coco": _coco,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "webdataset": _tars,
    "identities": _identities,
}
