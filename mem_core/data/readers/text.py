"""Text files as they occur in practice: with a BOM, with CRLF, in UTF-16 from a spreadsheet, with invalid bytes."""

import codecs
import json
from collections.abc import Iterator
from io import TextIOWrapper
from typing import TextIO

from mem_core.common.errors import SourceError
from mem_core.data.readers.source import SourceFile

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
MAX_LINE = 64 * 1024 * 1024  # characters; a base64 image fits, a file without line ends does not


def encoding_of(file: SourceFile) -> str:
    """UTF-8 unless the file starts with the byte order mark of another Unicode form."""
    with file.open() as stream:
        start = stream.read(4)
    return next((name for bom, name in _BOMS if start.startswith(bom)), "utf-8")


def open_text(file: SourceFile, *, newline: str | None = None) -> TextIO:
    """The file as text; bytes that are not valid become lone surrogates, which `repaired` finds."""
    return TextIOWrapper(file.open(), encoding_of(file), "surrogateescape", newline)


def repaired(text: str) -> tuple[str, bool]:
    """The text with U+FFFD for what is not valid Unicode, and whether all of it was valid."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace").decode(
            "utf-8", "replace"
        ), False
    return text, True


def _escaped(text: str) -> bool:
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in text)


def read_lines(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends. Only line feeds end a line, as U+2028 may stand in a caption."""
    with open_text(file, newline="") as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise SourceError(f"expected lines of text, but line {number} of {file} has over {MAX_LINE} characters")
            yield number, line.rstrip("\r\n")


def load_json(file: SourceFile) -> object:
    """The whole file parsed at once (memory: several times the file). Raises `SourceError`."""
    try:
        with file.open() as stream:
            content: object = json.loads(stream.read().decode(encoding_of(file)))
        return content
    except UnicodeDecodeError as error:
        raise SourceError(f"expected JSON in UTF-8, but {file} has other bytes at offset {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"expected JSON, but {file} cannot be parsed: {error}") from error
