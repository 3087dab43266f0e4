"""Text files as they occur in practice: with CRLF, with bytes that are no text, in an encoding that is marked.

Else it is the one asked for, unless the file's start says otherwise.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from typing import Any, TextIO

from mem_core.common.errors import SourceError
from mem_core.data.readers.source import SourceFile
from mem_core.data.texts import mark_of

MAX_LINE = 64 * 1024 * 1024  # characters; a base64 image fits, a file without line ends does not
_LOOKED_AT = 1 << 20  # bytes
_ERRORS = "memshield.lone-surrogates"


def _marked(error: UnicodeError) -> tuple[str, int]:
    """What decoding puts in place of bytes that are no text: lone surrogates, as `surrogateescape` does for UTF-8."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ERRORS, _marked)
DECODING = _ERRORS
"""For `open` and `decode`: bytes that are no text become lone surrogates, which `repaired` finds."""


def open_text(file: SourceFile, encoding: str = "utf-8") -> TextIO:
    """The file as text, line ends as they are; bytes that are not valid become lone surrogates, found by `repaired`.

    Raises `SourceError` for a file that is plainly in another encoding.
    """
    encoding, line_end = _form_of(file, encoding)
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


def _form_of(file: SourceFile, asked: str) -> tuple[str, str]:
    """The encoding to decode a text file with, and what ends its lines: a line feed, or `\\r` where it has none.

    Raises `SourceError` for a file that is plainly in another encoding than the one asked for.
    """
    with file.open() as stream:
        start = stream.read(_LOOKED_AT)
    _, marked = mark_of(start)
    if not marked and codecs.lookup(asked).name == "utf-8":
        _check(start, file)
    return marked or asked, "\n" if b"\n" in start or b"\r" not in start else "\r"


def _check(start: bytes, file: SourceFile) -> None:
    """Raises `SourceError` if this is not UTF-8; a few broken lines among good ones are theirs alone."""
    if wide := wide_of(start):
        raise SourceError(
            f"expected text in UTF-8 in {file}, which looks like {wide.upper()} without a byte order mark",
            hint="name the encoding",
            about=wide,
        )
    entries = re.split(rb"\n|(?<=\})", start.rstrip())  # lines, or the objects of JSON in one line
    beyond = [entry for entry in entries if not entry.isascii()]
    if len(start) == _LOOKED_AT and beyond and beyond[-1] is entries[-1]:
        del beyond[-1]  # cut, perhaps inside a character
    wrong = [entry for entry in beyond if entry.decode(errors="ignore").encode() != entry]
    many = 2 * len(wrong) > len(entries) or (len(wrong) >= 10 and 20 * len(wrong) >= len(entries))
    if not many or 2 * len(wrong) < len(beyond):
        return
    looks, name = _guess(b"".join(wrong))
    line = start.count(b"\n", 0, start.find(wrong[0])) + 1
    raise SourceError(
        f"expected text in UTF-8 in {file}, but {len(wrong)} of the first {len(entries)} entries have other bytes, "
        f"that in line {line} first: it looks like {looks}",
        hint="name the encoding",
        about=name,
    )


def wide_of(start: bytes) -> str:
    """The form in which every letter has two or four bytes, if the text begins so."""
    start = start[:200]
    zeros = [start[place::4].count(0) for place in range(4)]
    if sum(zeros) * 10 < len(start):
        return ""
    if min(zeros[1:]) and not zeros[0]:
        return "utf-32-le"
    if min(zeros[:3]) and not zeros[3]:
        return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    return "utf-16-le" if odd > 4 * even else "utf-16-be" if even > 4 * odd else ""


def _guess(lines: bytes) -> tuple[str, str]:
    """What these lines look like, in words and by Python's name. Letters beyond ASCII stand alone in Western words."""
    beyond = sum(map(len, re.findall(rb"[\x80-\xff]+", lines)))
    plain = len(re.findall(rb"[A-Za-z]", lines))
    if 3 * beyond <= plain:
        return "latin-1 (cp1252)", "cp1252"
    return "an encoding of one script, such as cp1251, gb18030, shift_jis or euc-kr", "NAME"
