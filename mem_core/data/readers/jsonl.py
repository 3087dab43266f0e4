"""`jsonl`: one JSON object a line with an image (path, base64 or data address) and one or more captions.

Records that name a path are grouped by image; records that carry the image are one sample each. Keys: `columns.py`.
"""

import json
from collections.abc import Iterator
from typing import Any

from mem_core.data.readers.base import RawSample, failed
from mem_core.data.readers.captions import Row
from mem_core.data.readers.columns import read_columns
from mem_core.data.readers.reader import FormatReader
from mem_core.data.readers.source import SourceFile
from mem_core.data.readers.text import read_lines


class JsonlReader(FormatReader):
    """Records from one file of JSON lines."""

    format = "jsonl"

    def rows(self, file: SourceFile) -> Iterator[Row | RawSample]:
        for number, line in read_lines(file):
            if not line.strip():
                continue
            where = f"{file.name}:{number}"
            try:
                record = json.loads(line, object_pairs_hook=_each_once)
            except (ValueError, RecursionError) as error:
                yield failed(where, f"{where}: expected a JSON object: {error}")
                continue
            if not isinstance(record, dict):
                yield failed(where, f"{where}: expected a JSON object, got {type(record).__name__}")
                continue
            read = read_columns(record, where)
            if isinstance(read, RawSample):
                yield read
            else:
                yield from read


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a key that comes twice: the first of two captions would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} comes more than once")
    return found
