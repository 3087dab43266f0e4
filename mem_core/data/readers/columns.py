"""The column names that tables (CSV, TSV, Parquet, JSONL) may use. Case and spaces around them do not matter."""

import base64
import binascii
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mem_core.data.readers.base import RawSample, failed, no_image, split_word
from mem_core.data.readers.captions import Row
from mem_core.data.readers.text import repaired

IMAGE = (
    "image",
    "image_path",
    "path",
    "file_name",
    "filename",
    "file",
    "filepath",
    "file_path",
    "image_name",
    "image_file",
)
BYTES = ("bytes", "image_bytes", "base64", "image_base64", "image_data", "jpg", "jpeg", "png", "webp")
CAPTION = ("caption", "captions", "text", "texts", "comment", "sentence", "sentences", "title", "raw")
SPLIT = ("split", "set", "subset")
NAME = ("name", "id", "key", "image_id", "__key__")
PER_CAPTION = ("caption_id", "comment_number", "caption_number", "sentid")

ACCEPTED = (
    f"a path in one of {', '.join(IMAGE)}, or bytes in one of {', '.join(BYTES)}; a caption in one of "
    f"{', '.join(CAPTION)}; and optionally {', '.join(SPLIT)}"
)


def pick(names: Iterable[str], accepted: tuple[str, ...]) -> str | None:
    """The column to use: the first accepted name that is there, as the file spells it."""
    spelled = {name.strip().lower(): name for name in names}
    return next((spelled[name] for name in accepted if name in spelled), None)


def repeated(names: Iterable[str]) -> str:
    """What is wrong where a column that is read comes twice, as one of the two would be lost; "" if none does."""
    counted = Counter(name.strip().lower() for name in names)
    twice = [name for name in (*IMAGE, *BYTES, *CAPTION, *SPLIT) if counted[name] > 1]
    return f"each column once, whatever its case, but {', '.join(twice)} stands there more than once" if twice else ""


def read_columns(record: Mapping[str, Any], where: str) -> list[Row] | RawSample:
    """One record of a Parquet or JSONL file: rows if it names a path, a sample if it carries the image itself.

    An image is a path, bytes, base64 text (in a bytes column), a `data:image/...;base64,` address, or a mapping with
    `bytes` and `path` as the Hugging Face Image feature writes it. `where` names the record in messages.
    """
    if twice := repeated(record):
        return failed(where, f"{where}: expected {twice}")
    image_key, bytes_key = pick(record, IMAGE), pick(record, BYTES)
    caption_key, split_key, name_key = pick(record, CAPTION), pick(record, SPLIT), pick(record, NAME)
    try:
        captions = _captions(record[caption_key] if caption_key else None)
        split = _text(record[split_key]) if split_key else ""
        path, data = _image(record, image_key, bytes_key)
    except ValueError as error:
        return failed(where, f"{where}: {error}")
    used = {image_key, bytes_key, caption_key, split_key}
    metadata = {key: value for key, value in record.items() if key not in used and _is_plain(value)}
    if data is None:
        rows = [Row(path, caption, split, metadata) for caption in captions]
        return rows or [Row(path, None, split, metadata)]
    name = _text(record[name_key]) if name_key else path
    return _sample(name or where, data, captions, split, metadata)


def _sample(name: str, data: bytes, captions: list[str], split: str, metadata: dict[str, Any]) -> RawSample:
    texts = [repaired(caption) for caption in captions]
    problem = "" if all(valid for _, valid in texts) else f"expected UTF-8 captions, but {name!r} has others"
    try:
        split = split_word(split)
    except ValueError as error:
        split, problem = "", str(error)
    return RawSample(repaired(name)[0], _held(data), tuple(text for text, _ in texts), split, metadata, problem)


def _held(data: bytes) -> Callable[[], bytes]:
    return (lambda: data) if data else no_image("expected the bytes of an image, got none")


def _image(record: Mapping[str, Any], image_key: str | None, bytes_key: str | None) -> tuple[str, bytes | None]:
    value = record[image_key] if image_key else None
    path = ""
    if isinstance(value, Mapping):
        path = _text(value.get("path"))
        if (inner := value.get("bytes")) is not None:
            return path, _bytes(inner)
    elif isinstance(value, bytes | bytearray):
        return path, bytes(value)
    elif isinstance(value, str) and value.startswith("data:image/"):
        return path, _bytes(value.partition(",")[2])
    else:
        path = _text(value)
    if bytes_key and record[bytes_key] is not None:
        return path, _bytes(record[bytes_key])
    if not path:
        raise ValueError(f"expected {ACCEPTED}; got an image in none of these")
    return path, None


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"expected the image as bytes or base64, got {type(value).__name__}")
    try:
        return base64.b64decode(
            "".join(value.partition(",")[2].split() if value[:5] == "data:" else value.split()), validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"expected the image in base64: {error}") from error


def _captions(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [_caption(item) for item in value]
    raise ValueError(f"expected a caption or a list of captions, got {type(value).__name__}")


def _caption(item: object) -> str:
    if isinstance(item, Mapping):  # [{"raw": "..."}], as in Karpathy's files
        key = pick(map(str, item), CAPTION)
        item = item[key] if key else None
    if not isinstance(item, str):
        raise ValueError(f"expected a caption as text, got {type(item).__name__}")
    return item


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return str(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 10_000 and repaired(value)[1]
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
