"""What of a sample's metadata leads back to where its clean file came from: addresses, names, ids, hashes.

Judged by name, at any depth, and by value, whatever the name: a caption's neighbour called `note` may hold the address
too. What names a licence or a right stays, unless it repeats what leads to this very picture.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

from mem_core.data.image_formats import IMAGE_EXTENSIONS
from mem_core.data.shard import Sample

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_RIGHTS = re.compile(
    r"licen[cs]|copyright|rights|usageterms|webstatement|attribution|creditline|artist|author|"
    r"noai|noimageai|tdm|optout|datamining|robots"
)
_WORDS = frozenset(
    (
        *("url", "urls", "uri", "uris", "href", "link", "links", "permalink", "website", "webpage", "domain", "host"),
        *("hostname", "referer", "referrer", "src", "source", "origin", "original", "orig", "etag"),
        *("path", "paths", "file", "files", "filename", "filenames", "filepath", "fname", "basename", "dir"),
        *("directory", "folder", "folders", "uid", "uids", "uuid", "guid", "identifier", "identifiers", "id", "ids"),
    )
)
_WHOLE = frozenset(("key", "index", "idx", "etag", "rowindex", "rownumber", "datasetindex"))
_THINGS = (
    "img|image|photo|pic|picture|file|shard|sample|item|object|asset|media|video|record|row|source|src|original|orig|"
    "coco|flickr|sent|page|post|user|owner|doc|tweet|ann"
)
_JOINED = re.compile(
    r"md5|sha\d|hash(?!tag)|checksum|digest|crc32|crc$|adler|blake|xxh|fingerprint|ur[li]s?$|path$|filename|^original(?!ity)|"
    rf"^({_THINGS})(ids?|names?|key|index|idx)$"
)
_CONTENT = frozenset(("category", "categories", "class", "classes", "label", "labels", "cluster", "topic", "lang"))
"""`category_id` says what is shown, not where it came from."""

_SUFFIX = "|".join((*sorted(IMAGE_EXTENSIONS), "svg|cr2|nef|dng|mp4|mov|tar|parquet|csv|tsv|jsonl?|zip"))
_TELLING = re.compile(
    r"[a-z][a-z0-9+.-]{1,15}://\S"  # an address,
    r"|\bwww\.\w|\bdata:\w+/|^//[\w.-]+/|[\w-]\.[a-z]{2,24}/\S"  # ... also without its scheme
    rf"|[^\s/\\]\.({_SUFFIX})\b"  # a file's name
    r"|^(~?/|[a-z]:[\\/]|\\\\)([^\s/\\]+[/\\]){2,}"  # a path
    r"|(?<![0-9a-z])[0-9a-f]{32,}(?![0-9a-z])"  # a hash
    r"|(?<![0-9a-z])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{16}(?![0-9a-z])"  # a perceptual one
    r"|(?<![0-9a-f:])([0-9a-f]{2}[:-]){15,}[0-9a-f]{2}(?![0-9a-f])"
    r"|(?<![0-9a-z+/])([0-9a-z+/]{22}=|[0-9a-z+/]{27}|[0-9a-z+/]{43})=(?![0-9a-z=])"  # md5, sha1, sha256 in Base64
    r"|(?<![0-9a-z])[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])",  # an id that is one of its kind
    re.IGNORECASE,
)
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^/]*/?|www\.[^/]*/?", re.IGNORECASE)
_NUMBER = 100_000  # from here on a number points to one of many
_LETTERS, _MARKS = 6, re.compile(r"[\d/.:_-]")
_DEPTH = 60


def name_words(name: str) -> list[str]:
    """The words of an entry's name, in lower case: `GPSLatitude` has two."""
    return [word.lower() for word in _WORD.findall(name)]


def is_right(name: str) -> bool:
    """Whether an entry's name speaks of a licence, a right, an author or an opt-out."""
    return _RIGHTS.search(re.sub(r"[^a-z]", "", name.lower())) is not None


def origin_of(sample: Sample) -> tuple[str, str]:
    """The name that a clean sample had in its source, and all that leads back to it, as a JSON object; "" for none.

    For the table, which stays at home. What is nested deeper than metadata are goes as a whole.
    """
    kept, gone = _parted(sample.metadata)
    left = without_origin(kept, sample)
    gone |= {name: value for name, value in kept.items() if left.get(name) != value}
    name = gone.pop("name") if isinstance(gone.get("name"), str) else ""
    return name, json.dumps(gone, sort_keys=True) if gone else ""


def without_origin(metadata: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """The entries that do not lead back to the clean sample.

    metadata: some of its own. An entry, a right among them, also goes where it repeats what another says: the address,
    the file's name, an id, or any usual hash of the clean file's bytes.
    """
    telling = frozenset((*_traces(_parted(sample.metadata)[1]), *hashes(sample.image)))
    return dict(_not_repeating(_parted(metadata)[0], telling))


def repeats(metadata: dict[str, Any], name: str, origin: str, sha256: str) -> bool:
    """Whether metadata repeat what the private table has of the clean file: see `SampleRow`."""
    known = json.loads(origin) if origin else {}
    return _repeats(metadata, frozenset((*_traces([name, known]), *filter(None, (sha256,)))))


def leads_back(metadata: dict[str, Any]) -> tuple[str, ...]:
    """The names of the entries, at the top, in which something is that leads back."""
    return tuple(sorted(_parted(metadata)[1]))


def hashes(data: bytes) -> Iterator[str]:
    """The usual hashes of a file, in hexadecimal and in Base64, as they stand in metadata."""
    for kind in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b"):
        digest = hashlib.new(kind, data, usedforsecurity=False).digest()
        yield digest.hex()
        yield base64.b64encode(digest).decode().rstrip("=").lower()  # lower: texts are compared without case
        yield base64.urlsafe_b64encode(digest).decode().rstrip("=").lower()
    for check in (zlib.crc32(data), zlib.adler32(data)):
        yield f"{check:08x}"
        yield from (str(check) for _ in range(check >= _NUMBER))


def _parted(values: dict[str, Any], depth: int = 0, *, listed: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stays and what goes. listed: an entry of a list, whose `name` says what it is, not where it came from."""
    kept: dict[str, Any] = {}
    gone: dict[str, Any] = {}
    for name, value in values.items():
        if is_right(name) and not _TELLING.search(name):
            kept[name] = value
            continue
        if _is_origin(name, listed=listed):
            gone[name] = value
            continue
        stays, goes = _part(value, depth + 1)
        if goes is not None:
            gone[name] = goes
        if goes is None or stays not in (None, {}, []):
            kept[name] = stays
    return kept, gone


def _part(value: Any, depth: int) -> tuple[Any, Any]:
    """What stays of a value and what goes; None: nothing goes."""
    if isinstance(value, (dict, list)) and depth > _DEPTH:
        return None, value
    if isinstance(value, dict):
        kept, gone = _parted(value, depth)
        return kept, gone or None
    if isinstance(value, list):
        parts = [
            _parted(item, depth, listed=True) if isinstance(item, dict) else _part(item, depth + 1) for item in value
        ]
        goes = [gone for _, gone in parts if gone not in (None, {})]
        stays = [kept for kept, gone in parts if gone in (None, {}) or kept not in (None, {}, [])]
        return stays, goes or None
    if not isinstance(value, str):
        return value, None
    if (inside := object_in(value)) is not None:
        kept, gone = _parted(inside, depth)
        return (value, None) if not gone else (json.dumps(kept) if kept else None, gone)
    return (None, value) if _TELLING.search(value) else (value, None)


def object_in(text: str) -> dict[str, Any] | None:
    """The object that a text spells, as img2dataset's `exif` does."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_origin(name: str, *, listed: bool) -> bool:
    words, whole = name_words(name), _joined(name)
    if _CONTENT.intersection(words):
        return False
    if whole == "name":
        return not listed
    named = bool(_WORDS.intersection(words)) or words[-1:] == ["key"] or whole in _WHOLE
    return named or bool(_JOINED.search(whole) or _TELLING.search(name))


def _traces(gone: Any) -> Iterator[str]:
    """The texts and numbers in what goes that would lead back wherever they stand; a mere host or word does not."""
    pending = [gone]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, int) and not isinstance(value, bool) and value >= _NUMBER:
            yield str(value)
        elif isinstance(value, str):
            yield from _traces_in(value.strip().lower())


def _traces_in(text: str) -> Iterator[str]:
    if _HOST.fullmatch(text):
        return
    base = re.split(r"[/\\]", text)[-1]
    for part in (text, base, base.rpartition(".")[0]):
        if len(part) >= _LETTERS and _MARKS.search(part):
            yield part


def _not_repeating(values: dict[str, Any], telling: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if _repeats(name, telling):
            continue
        if isinstance(value, dict):
            yield name, dict(_not_repeating(value, telling))
        elif isinstance(value, list):
            yield name, [item for item in value if not _repeats(item, telling)]
        elif not _repeats(value, telling):
            yield name, value


def _repeats(value: Any, telling: frozenset[str]) -> bool:
    """Whether a trace stands in a text, or anywhere in a list or object; a number is one or is none."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend((*item, *item.values()))
        elif isinstance(item, list):
            pending.extend(item)
        elif str(item) in telling if isinstance(item, int) else _contains(item, telling):
            return True
    return False


def _contains(text: Any, telling: frozenset[str]) -> bool:
    return isinstance(text, str) and any(trace in text.lower() for trace in telling)


def _joined(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
