"""Groups caption rows by image, whatever their order, in memory that does not grow with the source.

The rows go to a temporary file; images come back in the order in which they first appeared.
"""

import marshal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from mem_core.common.reasons import Code
from mem_core.data.readers.base import LeftOut, RawSample
from mem_core.data.readers.disk_table import DiskTable, as_key, as_text
from mem_core.data.readers.names import Found
from mem_core.data.readers.splits import split_of_folder, split_word
from mem_core.data.readers.text import repaired
from mem_core.data.texts import has_words


class Row(NamedTuple):
    """One line of a caption file: an image named by a path, and a caption of it (None: the line has none).

    place: the file and line, for messages. problem, code: why the row cannot be used, and how that is counted: it is
    left out where the image has captions in other rows, else the image fails by it.
    """

    image: str
    caption: str | None
    split: str = ""
    metadata: dict[str, Any] | None = None
    problem: str = ""
    code: Code = "bad-entry"
    place: str = ""


class _Stored(NamedTuple):
    """A row as it is kept. trouble: what is wrong with the image, whatever its captions are."""

    found: Found
    row: Row
    file_split: str
    trouble: str
    trouble_code: Code


def with_captions(sample: RawSample, rows: Iterable[Row], left_out: list[LeftOut]) -> RawSample:
    """The sample with the captions of these rows, each once; without any that can be used it fails by the first.

    left_out: takes what the sample does not have.
    """
    good: list[tuple[str, str]] = []
    wrong: list[Row] = []
    places: dict[str, str] = {}
    for row in rows:
        text = row.caption or ""
        if row.problem:
            wrong.append(row)
        elif text in places and has_words(text):
            reason = f"{row.place}: expected another caption of {sample.name!r} than that of {places[text]}"
            left_out.append(LeftOut(sample.name, "caption", "duplicate", reason))
        else:
            places[text] = row.place
            good.append((text, row.place))
    if wrong and not good:
        first = wrong.pop(0)
        sample = sample if sample.problem else replace(sample, problem=first.problem, code=first.code)
    left_out += [LeftOut(sample.name, "caption", row.code, row.problem) for row in wrong]
    return replace(sample, captions=tuple(text for text, _ in good), places=tuple(place for _, place in good))


class CaptionTable:
    """Rows grouped by image on disk. Names of the same file, as `./a.jpg` and `a.jpg`, are one image.

    Captions of an image that say the same are one: the others are left out.
    """

    def __init__(self) -> None:
        self._rows = DiskTable("path blob", "stored blob")
        self.has_splits = False
        """Whether any row named a split of its own, not that of its file."""
        self.has_folder_splits = False
        """Whether the folders of any image say a split."""
        self.tars: set[int] = set()
        """The numbers of the tars in which images lie."""

    def add(self, row: Row, find: Callable[[str, str, str], Found], folder: str, file_split: str) -> None:
        """Takes one row; contradictions and a broken name become its image's problem.

        find: where the image of a name lies that stands in a file of this folder and belongs to this split.
        file_split: what the file's own name or folder says.
        """
        trouble, trouble_code = "", row.code
        place = repaired(row.place)[0]  # the name of a file need not be text
        try:
            split = split_word(repaired(row.split)[0]) if row.split else ""
        except ValueError as error:
            split, trouble, trouble_code = "", str(error), "split-conflict"
        found = find(row.image, folder, split or file_split)
        name, is_text = repaired(found.path if folder and found.path == f"{folder}/{row.image}" else row.image)
        if found.reason and not is_text:
            trouble = f"{place}: expected text as the name of an image, got {name!r}"
            trouble_code = "bad-encoding"
        self.has_splits = self.has_splits or bool(split)
        self.has_folder_splits = self.has_folder_splits or bool(split_of_folder(found.path))
        if found.tar >= 0:
            self.tars.add(found.tar)
        problem, code, caption = row.problem, row.code, row.caption
        if problem:
            problem, caption = repaired(problem)[0], ""
        elif caption is not None:
            caption, is_text = repaired(caption)
            if not is_text:
                problem, code = f"{place}: expected text in a caption of {name!r}, got other bytes", "bad-encoding"
        where = (*found[1:5], repaired(found.reason)[0], found.code)
        kept = (name, caption, split, row.metadata, problem, code, place)
        stored = marshal.dumps((where, kept, file_split, trouble, trouble_code))  # in a fifth of JSON's time
        self._rows.add((as_key(found.path), stored))

    def whole(self) -> None:
        """Tells that no row is to come any more."""
        self._rows.index("path")

    def has(self, path: str) -> bool:
        """Whether a row named the image of this path."""
        return as_key(path) in self._rows

    def samples(
        self, read: Callable[[Found], Callable[[], bytes]], usual: str, left_out: list[LeftOut]
    ) -> Iterator[RawSample]:
        """The images in the order in which they first appeared. read: what reads one; usual: the split of one of which
        nothing says any; left_out: takes what is."""
        for group in self._rows.groups():
            stored = [_restored(*entry) for entry in group]
            rows, found = [one.row for one in stored], stored[0].found
            split, problem, code = _split_of_all(stored)
            name, split = rows[0].image, split or split_of_folder(found.path) or usual
            metadata = next((row.metadata for row in rows if row.metadata), {})  # a broken row has none
            sample = RawSample(name, read(found), (), split, metadata, problem, code)
            yield with_captions(sample, (row for row in rows if row.caption is not None), left_out)


def _restored(path: bytes, stored: bytes) -> _Stored:
    found, row, *rest = marshal.loads(stored)
    return _Stored(Found(as_text(path), *found), Row(*row), *rest)


def _split_of_all(stored: Sequence[_Stored]) -> tuple[str, str, Code]:
    """The split of an image by its rows; the first trouble of one, or of two that contradict each other, and its code.

    What the entries say goes before what the names of their files do.
    """
    (_, first, file_split, problem, code), *others = stored
    split = first.split
    for _, row, of_file, trouble, trouble_code in others:
        one, other = (split, row.split) if split and row.split else (split or file_split, row.split or of_file)
        if not problem and trouble:
            problem, code = trouble, trouble_code
        elif not problem and one and other and one != other and bool(split) == bool(row.split):
            problem = f"expected one split, but the image {row.image!r} is in {one} and in {other}"
            code = "split-conflict"
        split, file_split = split or row.split, file_split or of_file
    return split or file_split, problem, code
