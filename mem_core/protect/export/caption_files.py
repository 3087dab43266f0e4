"""The captions of exported pictures, in the form that was asked for."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Literal

from mem_core.data.shard import Sample, Writable
from mem_core.data.texts import encode_metadata

CaptionForm = Literal["txt", "json", "csv", "jsonl"]
"""txt: the first caption in a .txt beside the picture, and where there are several, all of them in a .json; json: all,
with what else is published of the picture, in a .json beside it; csv, jsonl: one table at the top of the folder."""

TABLES: dict[CaptionForm, str] = {"csv": "captions.csv", "jsonl": "metadata.jsonl"}
"""The table's name; the columns are those that `shard` reads, and Hugging Face's imagefolder."""


def files_beside(sample: Sample, form: CaptionForm) -> Iterator[tuple[str, bytes]]:
    """(suffix, bytes) of the files beside the picture."""
    if form not in ("txt", "json"):
        return
    text, metadata = encode_metadata(sample.key, sample.captions, sample.metadata)
    if form == "txt":
        yield ".txt", text + b"\n"
    if form == "json" or len(sample.captions) > 1:
        yield ".json", metadata


class CaptionTable:
    """A table of all captions, written row by row. stream: takes its bytes."""

    def __init__(self, stream: Writable, form: CaptionForm) -> None:
        self._stream, self._form = stream, form
        if form == "csv":
            self._write_row("image", "caption")

    def add(self, file: str, captions: tuple[str, ...]) -> None:
        """The captions of one picture: a line each, or with JSON a line for all."""
        if self._form == "csv":
            for caption in captions:
                self._write_row(file, caption)
            return
        values = {"file_name": file, "text": captions[0], **({"captions": captions} if len(captions) > 1 else {})}
        self._stream.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")

    def _write_row(self, *cells: str) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._stream.write(line.getvalue().encode())
