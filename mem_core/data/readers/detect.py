"""Which format a source is in, from the names of its files alone."""

from collections.abc import Callable
from pathlib import PurePosixPath

from mem_core.common.errors import SourceError
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.beside import beside_files
from mem_core.data.readers.csv_table import has_header
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.webdataset import TAR_SUFFIXES

LOOKED_FOR = {
    "csv": "captions.csv, captions.tsv, captions.txt, results.csv, or a single *.csv or *.tsv with a header",
    "flickr-token": "*.token or *.token.txt",
    "karpathy": "dataset*.json",
    "coco": "annotations/captions_*.json or captions_*.json",
    "jsonl": "one *.jsonl or *.ndjson",
    "parquet": "*.parquet, also in data/",
    "webdataset": "*.tar, in folders too",
    "beside": "images with captions in .txt, .caption or .json files of the same names beside them",
    "identities": "one folder of images for each identity",
}


def matching_files(tree: SourceTree, source_format: str) -> list[SourceFile]:
    """The caption files, tars or images that make the folder a source of this format; nothing if it is none."""
    return _FINDERS[source_format](tree)


def detected_format(source: SourceTree) -> str:
    """The format of a folder. Raises `SourceError` if none fits or several do."""
    uncaptioned = ("webdataset", "beside", "identities")
    captioned = [name for name in LOOKED_FOR if name not in uncaptioned and matching_files(source, name)]
    if len(captioned) > 1:
        what = " and ".join(captioned)
        raise SourceError(f"expected one kind of caption files in {source.uri}, got {what}", hint="name the format")
    for source_format in (*captioned, *uncaptioned):
        if matching_files(source, source_format):
            return source_format
    listed = "; ".join(f"{name} ({what})" for name, what in LOOKED_FOR.items())
    raise SourceError(f"expected a source in a known format in {source.uri}, but found none of: {listed}")


def format_of_file(file: SourceFile) -> str:
    """The format of a single file, by its name. Raises `SourceError` for names of no known format."""
    name = file.name.lower()
    if name.endswith((".token", ".token.txt")):
        return "flickr-token"
    if file.suffix == ".json":
        return "coco" if name.startswith("captions_") else "karpathy"
    suffixes = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
    suffixes |= {".parquet": "parquet"}
    if name.endswith(TAR_SUFFIXES):
        return "webdataset"
    if file.suffix not in suffixes:
        raise SourceError(
            f"expected a folder or a file of a known format ({', '.join(suffixes)}, .json, .tar), got {file}"
        )
    return suffixes[file.suffix]


def _csv(tree: SourceTree) -> list[SourceFile]:
    for name in ("captions.csv", "captions.tsv", "captions.txt", "results.csv"):
        if name in tree and (name != "captions.txt" or has_header(tree.file(name))):
            return [tree.file(name)]
    tables = tree.matching("*.csv", "*.tsv")
    return [table for table in tables if has_header(table)] if len(tables) == 1 else []


def _token(tree: SourceTree) -> list[SourceFile]:
    found = tree.matching("*.token", "*.token.txt", "*/*.token", "*/*.token.txt")
    # Flickr8k also ships Flickr8k.lemma.token.txt: the same captions with words reduced to their stems.
    return [file for file in found if "lemma" not in file.name.lower()]


def _karpathy(tree: SourceTree) -> list[SourceFile]:
    return tree.matching("dataset*.json")


def _coco(tree: SourceTree) -> list[SourceFile]:
    return tree.matching("annotations/captions_*.json") or tree.matching("captions_*.json")


def _jsonl(tree: SourceTree) -> list[SourceFile]:
    return tree.matching("*.jsonl", "*.ndjson")


def _parquet(tree: SourceTree) -> list[SourceFile]:
    found = tree.matching("*.parquet", "data/*.parquet")
    return [
        file for file in found if str(PurePosixPath(file.path).with_suffix(".tar")) not in tree
    ]  # else it is img2dataset's sidecar


def _tars(tree: SourceTree) -> list[SourceFile]:
    return [tree.file(name) for name in tree.names if name.lower().endswith(TAR_SUFFIXES)]


def _identities(tree: SourceTree) -> list[SourceFile]:
    return [file for file in tree if file.suffix in PICTURE_SUFFIXES and file.parent]


_FINDERS: dict[str, Callable[[SourceTree], list[SourceFile]]] = {
    "csv": _csv,
    "flickr-token": _token,
    "karpathy": _karpathy,
    "coco": _coco,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "webdataset": _tars,
    "beside": beside_files,
    "identities": _identities,
}
