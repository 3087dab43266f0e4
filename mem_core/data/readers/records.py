"""From the records of a table (rows of CSV and Parquet, JSON objects) to rows of captions, in one way for all of them.

A record that names a path gives rows, which are grouped by image; one that carries the image (bytes, base64, Hugging
Face's mapping of `bytes` and `path`) is a sample by itself. Several captions are a list, or a text that is one.
"""

import ast
import base64
import json
import math
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from mem_core.common.reasons import Code
from mem_core.config import CorpusConfig
from mem_core.data.readers.base import NoImage, RawSample, failed
from mem_core.data.readers.captions import Row, with_captions
from mem_core.data.readers.columns import ACCEPTED, Columns, caption_in, columns_of, unknown_columns
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.splits import split_word
from mem_core.data.readers.text import DECODING, repaired

_MOST_LISTED = 1 << 16  # characters of a text that may be a list
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_LIST = re.compile(rf"\[\s*(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED})|\s+(?:{_QUOTED}))*\s*,?\s*\]", re.DOTALL)
_PLAIN = CorpusConfig()


class Record(NamedTuple):
    """One row or object. place: where it stands in its file, as the name of that goes on in messages: `:17`. problem:
    why it cannot be understood; image: what a broken one seems to name, which fails if no other row names it."""

    place: str
    values: Mapping[str, Any]
    problem: str = ""
    image: str = ""


class RecordReader(FormatReader):
    """Base of the readers of tables. A subclass says which records stand in a file."""

    own_keys = False
    """Whether the format has keys of its own, which no setting names."""

    @abstractmethod
    def records(self, file: SourceFile) -> Iterator[Record | Row]:
        """All records of one of the files, in its order; a row for what is of one image and no record."""

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        config = _PLAIN if self.own_keys else self.config
        name = repaired(file.name)[0]
        strange: Record | None = None
        understood = False
        for item in self.records(file):
            if isinstance(item, Row):
                yield item
            elif item.problem:
                yield broken(name + item.place, item.problem, image=item.image)
            else:
                columns = columns_of(item.values, config)
                understood = understood or columns.known
                strange = strange or item
                yield from self._rows_of(name + item.place, item.values, columns)
        if strange and not understood:
            raise unknown_columns(strange.values, file, config)

    def _rows_of(self, place: str, values: Mapping[str, Any], columns: Columns) -> Iterator[Row | RawSample]:
        """The rows of a record, one a caption, or the sample where it carries the image itself."""
        if columns.twice:
            yield broken(place, f"expected {columns.twice}")
            return
        try:
            path, data = _image(values, columns)
            split = _text(values[columns.split]) if columns.split else ""
            name = _text(values[columns.name]) if columns.name and data is not None else path
        except ValueError as error:
            yield broken(place, str(error))
            return
        metadata = {key: values[key] for key in columns.others if _is_plain(key) and _is_plain(values[key])}
        captions = list(_captions(values, columns, place))
        if data is not None:
            name = repaired(name or path or place)[0]
            sample = RawSample(name, _held(data), (), metadata=metadata)
            try:
                sample = replace(sample, split=split_word(split))
            except ValueError as error:
                sample = replace(sample, problem=str(error), code="split-conflict")
            yield with_captions(sample, captions, self.left_out)
            return
        for row in captions or [Row("", None, place=place)]:
            yield row._replace(image=path, split=split, metadata=metadata)


def broken(place: str, problem: str, code: Code = "bad-entry", *, image: str = "") -> Row | RawSample:
    """An entry that cannot be understood. image: what it seems to name, which fails if no other row names it."""
    reason = f"{place}: {problem}"
    return Row(image, None, problem=reason, code=code, place=place) if image else failed(place, reason, code)


def _captions(values: Mapping[str, Any], columns: Columns, place: str) -> Iterator[Row]:
    several = len(columns.captions) > 1
    for column in columns.captions:
        value = values[column]
        if isinstance(value, str) and (found := _listed(value)) is not None:
            value = found
        if value is None or (several and isinstance(value, str) and not value.strip()):
            continue
        for item in value if isinstance(value, list | tuple) else [value]:
            yield _caption(item, place)


def _listed(text: str) -> list[Any] | None:
    """The list that a cell holds as text, None for any other text.

    Spaces for commas are numpy's way, which Python would take for one long text.
    """
    if len(text) > _MOST_LISTED or not (text := text.strip()).startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
        if _LIST.fullmatch(text):
            with suppress(ValueError, SyntaxError):
                found = [ast.literal_eval(item) for item in re.findall(_QUOTED, text, re.DOTALL)]
    is_list = isinstance(found, list) and found and all(isinstance(item, str) for item in found)
    return found if is_list else None


def _caption(item: object, place: str) -> Row:
    if isinstance(item, Mapping):
        key = caption_in(map(str, item))
        item = item[key] if key else item
    if isinstance(item, bytes):
        item = item.decode("utf-8", DECODING)
    text = item.strip() if isinstance(item, str) else ""
    problem = ""
    code: Code = "bad-entry"
    if not isinstance(item, str | None):
        problem, code = f"expected a caption as text, got {type(item).__name__}", "caption-not-text"
    elif "\0" in text:
        problem = "expected a caption as text, got a zero byte in it"
    elif not repaired(text)[1]:
        problem, code = "expected a caption of valid Unicode, got other bytes", "bad-encoding"
    if problem:
        return Row("", None, problem=f"{place}: {problem}", code=code, place=place)
    return Row("", text, place=place)


def _held(data: bytes) -> Callable[[], bytes]:
    return (lambda: data) if data else NoImage("expected the bytes of an image, got none", "empty-image")


def _image(values: Mapping[str, Any], columns: Columns) -> tuple[str, bytes | None]:
    value = values[columns.image] if columns.image else None
    path = ""
    if isinstance(value, Mapping):
        path = _text(value.get("path"))
        if (inner := value.get("bytes")) is not None:
            return path, _bytes(inner)
    elif isinstance(value, bytes | bytearray) or (isinstance(value, str) and value.startswith("data:image/")):
        return path, _bytes(value)
    else:
        path = _text(value).strip()
    if columns.data and values[columns.data] is not None:
        return path, _bytes(values[columns.data])
    if not path:
        has_column = columns.image is not None or columns.data is not None
        wanted = "expected the path of an image or its bytes, got nothing"
        raise ValueError(wanted if has_column else f"expected {ACCEPTED}, got none")
    return path, None


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"expected the image as bytes or base64, got {type(value).__name__}")
    try:
        text = value.partition(",")[2] if value[:5] == "data:" else value
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ValueError(f"expected the image in base64: {error}") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise ValueError(f"expected text, got {type(value).__name__}")
    return str(value)


def _is_plain(value: object) -> bool:
    """Whether a sidecar is to have it: texts that are not endless, numbers that JSON knows; nothing is left out."""
    if isinstance(value, str):
        return 0 < len(value) <= 10_000 and repaired(value)[1]
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
