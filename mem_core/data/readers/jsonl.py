"""`jsonl`: JSON objects with an image (path, base64 or data address) and one or more captions, one a line or in a list.

    {"image": "a.jpg", "captions": ["a dog", "a hound"]}          a line of a .jsonl or .ndjson file
    [{"image": "a.jpg", "caption": "a dog"}, ...]                 a .json file, parsed whole; also {"data": [...]},
                                                              and {"train": [...], "test": [...]}
    {"a.jpg": "a dog", "b.jpg": ["a cat", "a kitten"], ...}       the same, by name: a caption, captions or an object

Keys: `columns.py`.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from mem_core.common.errors import SourceError
from mem_core.data.readers.columns import columns_of
from mem_core.data.readers.records import Record, RecordReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.splits import split_in_name
from mem_core.data.readers.text import load_json, open_text, read_lines

_LOOKED_AT = 1 << 20  # characters of a line
_ENTRY = re.compile(r'"([^"\\]{1,64})"\s*:\s*"([^"\\]{1,255})"')


class JsonlReader(RecordReader):
    """Records from files of JSON lines, or of one JSON list or object."""

    format = "jsonl"

    def records(self, file: SourceFile) -> Iterator[Record]:
        if self._is_one(file):
            entries = ((place, value, "") for place, value in self._whole(file))
        else:
            lines = read_lines(file, self.config.encoding)
            entries = ((f":{number}", _parsed(line), line) for number, line in lines if line.strip())
        for place, value, text in entries:
            if isinstance(value, dict):
                yield Record(place, value)
            else:
                what = f": {value}" if isinstance(value, ValueError) else f", got {type(value).__name__}"
                yield Record(place, {}, f"expected a JSON object{what}", self._image_in(text))

    def _is_one(self, file: SourceFile) -> bool:
        """Whether the file is one JSON value rather than one a line."""
        with open_text(file, self.config.encoding) as stream:
            first, second = (
                next(filter(str.strip, iter(partial(stream.readline, _LOOKED_AT), "")), "") for _ in (1, 2)
            )
        value = _parsed(first)
        if isinstance(value, ValueError):
            return file.suffix == ".json" or first.lstrip().startswith("[")
        return not second and (file.suffix == ".json" or isinstance(value, list))

    def _image_in(self, text: str) -> str:
        """The image that a broken line names, which then fails by what is wrong there; "" if none can be made out."""
        named = {value for key, value in _ENTRY.findall(text[:_LOOKED_AT]) if columns_of([key], self.config).image}
        return named.pop() if len(named) == 1 else ""

    def _whole(self, file: SourceFile) -> Iterator[tuple[str, object]]:
        """(place, value) of each record in a file that is one value."""
        content, named = load_json(file, self.config.encoding, _each_once), None
        if isinstance(content, _Twice) and all("." in key for key, _ in content.pairs):  # two captions of one image
            named = content.pairs
        elif isinstance(content, dict):
            lists = {key: value for key, value in content.items() if "." not in key and _is_list_of_objects(value)}
            if len(lists) == 1:
                content = next(iter(lists.values()))
            elif lists and all(map(self._names_an_image, lists.values())):
                for key, values in lists.items():
                    yield from ((f": {key}[{at}]", self._in_split(key, value)) for at, value in enumerate(values))
                return
            elif all(isinstance(value, str | list | dict | None) for value in content.values()):
                named = list(content.items())
        if isinstance(content, list):
            yield from ((f"[{number}]", value) for number, value in enumerate(content))
        elif named is not None:
            yield from ((f": {key!r}", self._named(key, value)) for key, value in named)
        else:
            got = f", but {content}" if isinstance(content, ValueError) else ", got neither"
            raise SourceError(f"expected a list of JSON objects, or captions by names of images, in {file}{got}")

    def _names_an_image(self, values: list[Any]) -> bool:
        columns = columns_of(next(value for value in values if isinstance(value, dict)), self.config)
        return bool(columns.image or columns.data)

    def _in_split(self, key: str, value: object) -> object:
        """The record of a list whose key may say the split of all that stand in it."""
        split = split_in_name(key)
        if not split or not isinstance(value, dict) or columns_of(value, self.config).split:
            return value
        return {**value, "split": split}

    def _named(self, image: str, value: object) -> dict[str, Any]:
        """The record of what stands under the name of an image."""
        if not isinstance(value, dict):
            return {self.config.image_key or "image": image, self.config.caption_key or "captions": value}
        columns = columns_of(value, self.config)
        return value if columns.image or columns.data else {self.config.image_key or "image": image, **value}


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _parsed(line: str) -> object:
    try:
        return json.loads(line, object_pairs_hook=_each_once)
    except RecursionError:
        return ValueError("it is nested too deeply")
    except ValueError as error:
        return error


class _Twice(ValueError):
    """What is wrong with an object in which a key comes twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        super().__init__(f"the key {next(key for key in keys if keys.count(key) > 1)!r} comes more than once")
        self.pairs = pairs


def _each_once(pairs: list[tuple[str, Any]]) -> object:
    """An object, or what is wrong where a key comes twice, as the first of two captions would be lost."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(pairs)
