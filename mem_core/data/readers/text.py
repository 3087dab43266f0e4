"""Text files as they occur in practice: in the encoding asked for or marked, with CRLF, with bytes that are no text."""

import json
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from typing import Any, TextIO

from mem_core.common.errors import SourceError
from mem_core.data.readers.encoding import DECODING, form_of
from mem_core.data.readers.source import SourceFile

MAX_LINE = 64 * 1024 * 1024  # characters; a base64 image fits, a file without line ends does not


def open_text(file: SourceFile, encoding: str = "utf-8") -> TextIO:
    """The file as text, line ends as they are; bytes that are not valid become lone surrogates, found by `repaired`.

    Raises `SourceError` for a file that is plainly in another encoding.
    """
    encoding, line_end = form_of(file, encoding)
    return TextIOWrapper(file.open(), encoding, DECODING, line_end)


def repaired(text: str) -> tuple[str, bool]:
    """The text with U+FFFD for what is not valid Unicode, and whether all of it was valid."""
    try:
        text.encode()
        return text, True
    except UnicodeEncodeError:
        pass
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # not what bytes became
        data = text.encode("utf-8", "replace")
    return data.decode("utf-8", "replace"), False


def read_lines(file: SourceFile, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends. Only line feeds end one, as U+2028 or a lone `\\r` may stand in a caption."""
    with open_text(file, encoding) as stream:
        number = 0
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise SourceError(f"expected lines of text, but line {number} of {file} has over {MAX_LINE} characters")
            yield number, line


def load_json(
    file: SourceFile, encoding: str = "utf-8", hook: Callable[[list[tuple[str, Any]]], object] = dict
) -> object:
    """The whole file parsed at once (memory: several times the file). Raises `SourceError`.

    hook: makes objects of their pairs.
    """
    try:
        with open_text(file, encoding) as stream:
            content: object = json.load(stream, object_pairs_hook=hook)
        return content
    except (ValueError, RecursionError) as error:
        raise SourceError(f"expected JSON, but {file} cannot be parsed: {error}") from error
