"""Captions and metadata, from and to the `.json` and `.txt` members of a sample."""

import json
import math
import re
from typing import Any
from unicodedata import category

from mem_core.common.errors import CaptionError, SampleError

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
_SKIN = ("\U0001f3fb", "\U0001f3ff")  # colours: modifiers as ^ and the accents are, but emoji


def has_words(text: str) -> bool:
    """Whether there is anything to read in a caption: a letter or digit of any script, an emoji or another symbol.

    Blanks, control characters, punctuation (dots, dashes, `|`, `=`), marks without a letter, and what is invisible
    (zero-width spaces and joiners, byte order marks, fillers) are nothing to read.
    """
    return bool(_PLAIN_WORD.search(text)) or any(_is_readable(character) for character in text)


def _is_readable(character: str) -> bool:
    kind = category(character)
    if _READABLE.isdisjoint((kind[0], kind)) or _NOTHING.match(character):
        return False
    return kind != "Sk" or _SKIN[0] <= character <= _SKIN[1]


def read_captions(metadata: bytes | None, text: bytes | None) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Captions and the other metadata of a sample. Raises `SampleError`, `CaptionError`."""
    values = {} if metadata is None else _json_object(metadata)
    if "captions" in values:
        return _checked(values.pop("captions")), values
    if text is None:
        raise CaptionError("expected a caption in .txt or under captions in .json, got neither")
    try:
        caption = text.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise CaptionError(f"expected UTF-8 in .txt, got other bytes at {error.start}") from None
    return _checked([caption]), values


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


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        values = _DECODER.decode(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SampleError(f"expected UTF-8 in .json, got other bytes at {error.start}") from None
    except RecursionError:
        raise SampleError("expected a JSON object in .json, but it is nested too deeply") from None
    except ValueError as error:
        raise SampleError(f"expected a JSON object in .json: {error}") from None
    if not isinstance(values, dict):
        raise SampleError(f"expected a JSON object in .json, got a {type(values).__name__}")
    return values


def _checked(captions: object) -> tuple[str, ...]:
    if not isinstance(captions, list) or not captions:
        raise CaptionError("expected a list of captions with at least one in it")
    for number, caption in enumerate(captions, start=1):
        if not isinstance(caption, str):
            kind = type(caption).__name__
            raise CaptionError(f"expected text as caption {number} of {len(captions)}, got a {kind}")
        if not caption.strip():
            raise CaptionError(f"expected words in caption {number} of {len(captions)}, but it is empty")
        if _SURROGATE.search(caption):
            raise CaptionError(f"expected valid Unicode in caption {number} of {len(captions)}, got a lone surrogate")
    return tuple(captions)


def _null(_: str) -> None:
    """img2dataset writes NaN for numbers it does not have, which is not JSON."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


# Made once: with options, `json.loads` and `dumps` make one for each call, which costs more than a small object.
_DECODER = json.JSONDecoder(parse_constant=_null, parse_float=_finite)
_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)  # sorted: equal dictionaries give equal bytes
