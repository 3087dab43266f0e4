"""What one file of captions is, by what stands in it: its name says where to look, never what it holds.

Pure functions of a name and a first look (`look.py`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mem_core.config import CorpusConfig
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.readers.columns import columns_of
from mem_core.data.readers.csv_table import header_in
from mem_core.data.readers.path_parts import packed

_TOKEN = re.compile(r"[^\t\n]+#\d+\t")
_KEY = re.compile(r'"((?:[^"\\\n]|\\.){1,64})"\s*:')
_SIDECAR = {"key", "status"}
_SHOWN = 8
_IMAGEFOLDER = "columns file_name and "
_ADVICE = dict.fromkeys((".xlsx", ".xls", ".ods"), "is a spreadsheet: save it as CSV")


@dataclass(frozen=True)
class Kind:
    """format: of the captions that a file holds, "" if it holds none that are understood; near: what it comes nearest
    to. about: what was seen in it. sidecar: a table about the samples of a tar or folder, which captions no picture.
    """

    format: str = ""
    about: str = ""
    near: str = ""
    sidecar: bool = False


def kind_of(path: str, seen: str, config: CorpusConfig) -> Kind:
    """What a file that is no picture holds. seen: the first look at it."""
    file = PurePosixPath(path)
    suffix = file.suffix.lower()
    if advice := packed(path) or _ADVICE.get(suffix, ""):
        return Kind(about=advice)
    if not seen.strip():
        return Kind(about="is empty or cannot be read", near=_BY_SUFFIX.get(suffix, ""))
    if suffix == ".parquet":
        kind = _of_columns("parquet", seen.split("\n"), config)
    elif suffix in (".jsonl", ".ndjson"):
        kind = _of_record(seen, seen.index(seen.lstrip()[0]), config)
    elif suffix == ".json":
        kind = _json(seen.lstrip(), config)
    elif _TOKEN.match(seen.lstrip()):
        kind = Kind("flickr-token", "lines of image#0, tab, caption")
    elif suffix in (".csv", ".tsv", ".txt"):
        kind = _table(seen, suffix == ".txt", config)
    else:
        kind = Kind(about="is no kind of caption file that is known")
    is_imagefolder = kind.about.startswith(_IMAGEFOLDER) and file.stem.lower() == "metadata"
    return Kind("imagefolder", kind.about) if is_imagefolder else kind


def fits_one_picture(path: str, seen: str, config: CorpusConfig) -> bool:
    """Whether a file beside a picture of its name may hold its caption: words, or JSON with a caption in it."""
    if not path.lower().endswith(".json"):
        return not seen.strip() or any(character.isalpha() for character in seen)  # not boxes of an object detector
    record, _ = _value(seen, 0)
    keys = list(record) if isinstance(record, dict) else _KEY.findall(seen) if record is None else []
    return isinstance(record, str) or bool(columns_of(keys, config).captions)


_BY_SUFFIX = {
    **{".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"},
    **{".parquet": "parquet", ".json": "coco", ".token": "flickr-token"},
    **dict.fromkeys((".tar", ".tgz", ".gz"), "webdataset"),
}
CAPTION_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")


def format_by_name(path: str) -> str:
    """The format that a file's name promises, for one whose content says nothing; "" for names of no format."""
    name = path.rpartition("/")[2].lower()
    if name.endswith(".token.txt"):
        return "flickr-token"
    if name.startswith("dataset") and name.endswith(".json"):
        return "karpathy"
    return _BY_SUFFIX.get(PurePosixPath(name).suffix, "")


def _of_columns(format: str, columns: list[str], config: CorpusConfig) -> Kind:
    """A table by its columns, or records by their keys."""
    shown = [column.strip()[:40] for column in columns[:_SHOWN]]
    found = columns_of(columns, config)
    image, caption = found.image or found.data, next(iter(found.captions), None)
    if image and caption:
        return Kind(format, f"columns {image.strip()} and {caption.strip()}")
    about = f"has the columns {', '.join(shown)}: " + " and ".join(
        f"no {what} among them" for what, name in (("image", image), ("caption", caption)) if not name
    )
    names = {column.strip().lower() for column in columns}
    is_web = bool(names & {"url", "image_url", "urls", "image_urls"}) or any("://" in name for name in names)
    if not image and is_web:
        about += "; pictures on the web are to be loaded first, as img2dataset does"
    return Kind(about=about, near=format, sidecar=not image and names >= _SIDECAR)


def _table(seen: str, is_text: bool, config: CorpusConfig) -> Kind:
    kind = _of_columns("csv", list(header_in(re.split(r"[\r\n]+", seen), config).columns), config)
    if is_text and not kind.format:
        return Kind(
            about="is text without a header of columns, and no picture of its name lies beside it", near="beside"
        )
    return kind


def _json(text: str, config: CorpusConfig) -> Kind:
    if text.startswith("["):
        return _of_record(text, 1, config)
    for name in ("images", "annotations"):
        if match := re.search(rf'"{name}"\s*:\s*\[\s*', text):
            first, _ = _value(text, match.end())
            keys = set(first) if isinstance(first, dict) else set(_KEY.findall(text[match.end() : match.end() + 4000]))
            if keys >= {"filename", "sentences"}:
                return Kind("karpathy", "images with sentences")
            if keys >= {"image_id", "caption"} or (keys >= {"file_name", "id"} and '"caption"' in text):
                return Kind("coco", "images, and annotations with captions")
            if keys & {"file_name", "image_id", "bbox"}:
                return Kind(about="has images and annotations, but no captions among them", near="coco")
    for match in re.finditer(r'"\s*:\s*\[\s*(?=\{)', text):
        if (kind := _of_record(text, match.end(), config)).format:
            return kind
    first_key = _KEY.search(text[:4000])
    if first_key and PurePosixPath(first_key[1]).suffix.lower() in PICTURE_SUFFIXES:
        return Kind("jsonl", "captions by the names of images")
    if first_key and (kind := _of_record(text, first_key.end(), config)).format:
        return kind  # {"id 1": {"image": "1.jpg", "caption": "a dog"}, ...}
    record, end = _value(text, 0)
    if isinstance(record, dict) and text[end:].lstrip().startswith("{"):
        return _of_record(text, 0, config)
    named = [key for key in record if isinstance(key, str)] if isinstance(record, dict) else _KEY.findall(text[:4000])
    return Kind(about=f"is JSON with {', '.join(named[:_SHOWN])[:200] or 'no keys'}", near="jsonl")


def _of_record(text: str, start: int, config: CorpusConfig) -> Kind:
    record, _ = _value(text, start)
    if isinstance(record, Mapping):
        return _of_columns("jsonl", list(record), config)
    if record is None:  # longer than the look, as one that carries its image may be: the keys that are seen
        return _of_columns("jsonl", list(dict.fromkeys(_KEY.findall(text))), config)
    return Kind(about="holds no records with keys", near="jsonl")


def _value(text: str, start: int) -> tuple[object, int]:
    """The JSON value that begins at a place, and where it ends; None if the text ends inside it."""
    start += len(text[start:]) - len(text[start:].lstrip())
    try:
        found = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start
    return found
