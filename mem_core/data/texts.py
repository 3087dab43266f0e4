"""Captions and metadata, from and to the `.json` and `.txt` members of a sample."""

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from unicodedata import category

from mem_core.common.errors import CaptionError, SampleError
from mem_core.data.image_formats import PICTURE_SUFFIXES
from mem_core.data.tar_reader import MAX_TEXT_BYTES

OF_CAPTIONS = (
    *("captions", "caption", "text", "texts", "sentences", "sentence"),
    *("description", "descriptions", "alt_text", "alttext"),
)
CAPTION_NAMES = (*OF_CAPTIONS, "comments", "comment", "alt", "title", "raw")
"""Where a JSON object or table has captions, in any case. What stands under the last few is metadata where another
place has them."""

_INSIDE = ("raw", "caption", "text")  # the text of a caption that is an object
_MARKS = (  # UTF-32's begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_WORD = re.compile("[0-9A-Za-z]")
# Letters, numbers, symbols, what encloses a sign (keycaps), what a later Unicode will name: its emoji, perhaps.
_READABLE = frozenset({"L", "N", "S", "Me", "Cn"})
# Of these and yet nothing to read: signs of ASCII and drawn lines, fillers and blanks that count as letters or symbols,
# what stands for lost characters, code points that are no characters.
_NOTHING = re.compile(
    r"[\x00-\x7f\u115f\u1160\u2065\u2500-\u259f\u2800\u3164\ufdd0-\ufdef\uffa0\ufff0-\uffff"
    r"\U0001d159\U000e0000-\U000e0fff]"
)
_MISSING = frozenset(("nan", "NaN", "NULL", "null", "None", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>"))
"""What tables have in empty cells, as pandas writes and reads them."""
_SKIN = ("\U0001f3fb", "\U0001f3ff")  # colours: modifiers as ^ and the accents are, but emoji


def has_words(text: str) -> bool:
    """Whether there is anything to read in a caption: a letter or digit of any script, an emoji or another symbol.

    Blanks, control characters, punctuation (dots, dashes, `|`, `=`), marks without a letter, and what is invisible
    (zero-width spaces and joiners, byte order marks, fillers) are nothing to read, nor is the mark of a missing value.
    """
    if len(text) < 10 and text.strip() in _MISSING:
        return False
    return bool(_PLAIN_WORD.search(text)) or any(_is_readable(character) for character in text)


def _is_readable(character: str) -> bool:
    kind = category(character)
    if _READABLE.isdisjoint((kind[0], kind)) or _NOTHING.match(character):
        return False
    return kind != "Sk" or _SKIN[0] <= character <= _SKIN[1]


class Sidecar(NamedTuple):
    """What the texts beside an image say. captions: as they stand, empty ones among them; odd: why an entry of their
    list is none, or the JSON cannot be read; metadata: the JSON object without its `captions`;
    place: the entry, or kind of file, that has the captions."""

    captions: tuple[str, ...]
    metadata: dict[str, Any]
    odd: tuple[SampleError, ...] = ()
    place: str = ""


def read_captions(
    metadata: bytes | None, *texts: bytes | None, key: str = "", encoding: str = "utf-8", ours: bool = False
) -> Sidecar:
    """The captions of one image, from its `.json` and from text files such as `.txt`, the more important first.

    The first place counts that holds a caption with words: the JSON's entry `key`, its `captions`, each of the texts
    (one caption each), its other usual names (`CAPTION_NAMES`). An entry is a text, a list of texts, or a list of
    objects with a `raw`, `caption` or `text`. If nothing has words, the captions are the empty ones of the first place
    that has any. Texts begin with a byte order mark or are in the `encoding`. ours: as the reader of shards that are
    used as they are needs it: empty captions are left out, and what stands under `captions` is empty only if it is
    blank, as our writer held.

    Raises `SampleError` for a JSON that is no object (where a text has words, that costs the metadata alone, but for
    ours), `CaptionError` where there is no caption at all.
    """
    values: dict[str, Any] = {}
    problems: list[SampleError] = []
    empty: tuple[str, ...] | None = None
    try:
        values = values if metadata is None else json_object(metadata)
    except SampleError as error:
        if ours:
            raise
        problems.append(error)
    broken = tuple(problems)
    rest = {name: value for name, value in values.items() if name != "captions"}
    for name, entry in _places(values, texts, key):
        try:
            captions, odd = _listed(name, _decoded(entry, name, encoding) if isinstance(entry, bytes) else entry)
        except CaptionError as error:
            problems.append(error)
            continue
        words: Callable[[str], object] = str.strip if ours and name == "captions" else has_words
        if any(map(words, captions)):
            return Sidecar(tuple(filter(words, captions)) if ours else captions, rest, (*broken, *odd), name)
        problems += odd
        empty = empty or captions
    if problems:
        raise problems[0]
    if empty and not ours:
        return Sidecar(empty, rest)
    if empty is not None:
        raise CaptionError("expected words in the caption, but it is empty", code="empty-caption")
    names = ", ".join((key, *CAPTION_NAMES) if key else CAPTION_NAMES)
    raise CaptionError(f"expected a caption in .txt, or in .json under {names}; got neither", code="no-caption")


def check_caption(caption: str) -> None:
    """Raises `CaptionError` unless it is valid text with something to read, of a length that a shard can hold."""
    if not isinstance(caption, str):
        raise CaptionError(f"expected text as caption, got a {type(caption).__name__}")
    if _SURROGATE.search(caption):
        raise CaptionError("expected a caption of valid Unicode, got a lone surrogate")
    if not has_words(caption):
        raise CaptionError("expected words in the caption, but it is empty", code="empty-caption")
    if len(caption) > MAX_TEXT_BYTES or len(caption.encode()) > MAX_TEXT_BYTES:
        raise CaptionError(f"expected a caption of at most {MAX_TEXT_BYTES} bytes, got {len(caption.encode())}")


def encode_metadata(key: str, captions: tuple[str, ...], metadata: dict[str, Any]) -> tuple[bytes, bytes]:
    """The bytes of `.txt` and `.json`. Raises `SampleError`, `CaptionError` if they could not be read back."""
    if "captions" in metadata:
        raise SampleError(f"expected metadata without captions for {key}: they are a field of the sample")
    try:
        for caption in captions:
            caption.encode()
        text = captions[0].encode()
    except UnicodeEncodeError:
        raise CaptionError(f"expected captions of valid Unicode for {key}, got a lone surrogate") from None
    try:
        values = _ENCODER.encode({**metadata, "captions": captions})
    except (TypeError, ValueError, RecursionError) as error:
        raise SampleError(f"expected metadata that JSON can hold for {key}: {error}") from None
    return text, values.encode()


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object; numbers that JSON cannot hold are null. Raises `SampleError`, counted as bad-metadata."""
    try:
        values = _DECODER.decode(_decoded(data, ".json", "utf-8"))
    except RecursionError:
        raise SampleError("expected a JSON object in .json, but it is nested too deeply", code="bad-metadata") from None
    except ValueError as error:
        raise SampleError(f"expected a JSON object in .json: {error}", code="bad-metadata") from None
    if not isinstance(values, dict):
        what = f"expected a JSON object in .json, got a {type(values).__name__}"
        raise SampleError(what, code="bad-metadata")
    return values


def mark_of(start: bytes) -> tuple[bytes, str]:
    """The byte order mark that a text begins with, and the encoding that it says; both empty without one."""
    return next((found for found in _MARKS if start.startswith(found[0])), (b"", ""))


def _decoded(data: bytes, name: str, encoding: str) -> str:
    """Text without its byte order mark and the white space around it."""
    marked = mark_of(data)[1] or encoding
    try:
        return data.decode(marked).strip()
    except UnicodeDecodeError as error:
        form = marked.removesuffix("-sig").upper()
        raise CaptionError(
            f"expected {form} in {name}, got other bytes at {error.start}", code="bad-encoding"
        ) from None


def _places(values: dict[str, Any], texts: Iterable[bytes | None], key: str) -> Iterator[tuple[str, Any]]:
    """(name, entry) of all that may hold captions, the more important first."""
    spelled = {name.strip().lower(): name for name in reversed(values)}
    for name in filter(None, (key, CAPTION_NAMES[0])):
        if (found := name if name in values else spelled.get(name.lower())) is not None:
            yield found, values[found]
    yield from ((".txt", text) for text in texts if text is not None)
    for name in CAPTION_NAMES[1:]:
        if name in spelled and not (name == "title" and _is_file_name(values[spelled[name]])):
            yield spelled[name], values[spelled[name]]


def _is_file_name(entry: Any) -> bool:
    """Whether a title is that of a file, as Google Photos exports it, and no caption."""
    return isinstance(entry, str) and entry.lower().endswith(tuple(PICTURE_SUFFIXES))


def _listed(name: str, entry: Any) -> tuple[tuple[str, ...], tuple[CaptionError, ...]]:
    """The captions of an entry, and why others in it are none. Raises `CaptionError` for an entry of another kind."""
    if entry is None or isinstance(entry, str):
        entry = [entry or ""] if name == ".txt" or entry else []
    if not isinstance(entry, list):
        raise CaptionError(f"expected a text or a list of texts as {name} in .json, got a {type(entry).__name__}")
    captions, odd = [], []
    for number, item in enumerate(entry, start=1):
        if isinstance(item, dict):
            item = next((item[key] for key in _INSIDE if isinstance(item.get(key), str)), item)
        which = f"caption {number} of {len(entry)}"
        if not isinstance(item, str | None):
            odd.append(CaptionError(f"expected text as {which}, got a {type(item).__name__}"))
        elif item and _SURROGATE.search(item):
            odd.append(CaptionError(f"expected valid Unicode in {which}, got a lone surrogate"))
        elif item and "\0" in item.strip("\0"):  # UTF-16 without a byte order mark is full of them
            odd.append(CaptionError(f"expected text as {which}, got zero bytes in it", code="bad-encoding"))
        else:
            captions.append((item or "").strip("\0"))
    return tuple(captions), tuple(odd)


def _null(_: str) -> None:
    """img2dataset writes NaN for numbers it does not have, which is not JSON."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


# Made once: with options, `json.loads` and `dumps` make one for each call, which costs more than a small object.
_DECODER = json.JSONDecoder(parse_constant=_null, parse_float=_finite)
_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)  # sorted: equal dictionaries give equal bytes
