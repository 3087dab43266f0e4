"""Records are written in the bytes of version 0.3.0, read back as they were, and named where they are damaged."""

from pathlib import Path

import pytest

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import Frozen
from mem_core.config.stored import parse_record, read_record, write_record


class Note(Frozen):
    words: tuple[str, ...]
    count: int = 0


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder, note = LocalFolder(tmp_path), Note(words=("a", "\N{SNOWMAN}"), count=2)
    assert read_record(folder, "below/note.json", Note, "a note") is None
    write_record(folder, "below/note.json", note)
    assert read_record(folder, "below/note.json", Note, "a note") == note
    expected = '{\n  "words": [\n    "a",\n    "\N{SNOWMAN}"\n  ],\n  "count": 2\n}\n'
    assert (tmp_path / "below/note.json").read_bytes() == expected.encode()
    write_record(folder, "narrow.json", note, indent=1)
    assert (tmp_path / "narrow.json").read_bytes() == expected.replace("  ", " ").encode()


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        (b"", "file: Invalid JSON"),
        (b'{"words": ["a"', "file: Invalid JSON"),
        (b"[]", "file: Input should be an object"),
        (b'{"words": ["a"], "count": "two"}', "count: Input should be a valid integer"),
        (b'{"words": ["a"], "colour": 1}', "colour: Extra inputs are not permitted"),
        (b'{"words": "\xff"}', "file: Invalid JSON"),
    ],
)
def test_a_damaged_record_is_one_sentence_with_place_and_mistake(tmp_path: Path, data: bytes, mistake: str) -> None:
    (tmp_path / "note.json").write_bytes(data)
    with pytest.raises(MismatchError) as caught:
        read_record(LocalFolder(tmp_path), "note.json", Note, "a note")
    assert str(caught.value).startswith(f"expected a note in {tmp_path}/note.json, got: {mistake}")
    assert "\n" not in str(caught.value)
    with pytest.raises(MismatchError, match="expected a note in elsewhere, got"):
        parse_record(data, Note, "a note", "elsewhere")
