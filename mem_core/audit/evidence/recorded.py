"""Models that are behind an endpoint: a list of what to ask them, and the vectors that they gave.

The id of a query is a keyed hash of what it is: it shows neither the pair nor the draw, let alone which was published.
Queries stand block by block in the committed order, and by their ids within a block, so that those of a sequential test
can be asked block by block.
"""

import hashlib
import hmac
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mem_core.audit.evidence.encoding import texts_read
from mem_core.audit.evidence.pairs import DrawnPair
from mem_core.audit.evidence.scores import Features, Score
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.protect.coins import TwinKey

QUERIES = "queries.jsonl"


def query_id(key: TwinKey, what: bytes | str) -> str:
    """The id of an image file or a text: 32 hexadecimal digits."""
    kind, data = (b"text", what.encode()) if isinstance(what, str) else (b"image", what)
    return hmac.new(key.secret, b"memshield query " + kind + b" " + data, hashlib.sha256).hexdigest()[:32]


def write_queries(out: Folder, blocks: Iterable[Sequence[DrawnPair]], key: TwinKey, scores: Sequence[Score]) -> int:
    """Writes `queries.jsonl` and the images that it names; returns how many queries there are.

    A line a query: `{"id": ..., "image": "images/ID.png"}` or `{"id": ..., "text": ...}`.
    """
    lines: list[str] = []
    asked: set[str] = set()
    for block in blocks:
        files = {query_id(key, file): file for pair in block for file in pair.images}
        texts = {query_id(key, text): text for pair in block for text in _texts(pair, scores)}
        for name, file in files.items():
            write_bytes(out, _image_name(name, file), file)
        found = [(name, {"image": _image_name(name, file)}) for name, file in files.items()]
        found += [(name, {"text": text}) for name, text in texts.items()]
        lines += [
            json.dumps({"id": name, **what}) for name, what in sorted(found, key=itemgetter(0)) if name not in asked
        ]
        asked.update(files, texts)
    write_bytes(out, QUERIES, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def _texts(pair: DrawnPair, scores: Sequence[Score]) -> Iterator[str]:
    for groups in texts_read(pair, scores).values():
        for group in groups:
            yield from group


def _image_name(name: str, file: bytes) -> str:
    """Published images are PNG or lossless WebP."""
    return f"images/{name}.{'webp' if file.startswith(b'RIFF') else 'png'}"


class RecordedVectors:
    """The vectors that were recorded for queries, by id. sha256: of their file."""

    def __init__(self, rows: dict[str, Features], key: TwinKey, place: str, sha256: str) -> None:
        self._rows, self._key, self._place, self.sha256 = rows, key, place, sha256

    def images(self, files: Sequence[bytes]) -> Features:
        """Image files -> float64 [N, D]."""
        return self._of(files)

    def texts(self, texts: Sequence[str]) -> Features:
        """Texts -> float64 [N, D]."""
        return self._of(texts)

    def has(self, pair: DrawnPair, scores: Sequence[Score]) -> bool:
        """Whether all queries of a pair were answered."""
        asked: list[bytes | str] = [*pair.images, *_texts(pair, scores)]
        return all(query_id(self._key, what) in self._rows for what in asked)

    def _of(self, what: Sequence[bytes] | Sequence[str]) -> Features:
        names = [query_id(self._key, one) for one in what]
        missing = [name for name in names if name not in self._rows]
        if missing:
            raise SourceError(
                f"expected a vector for each query in {self._place}, but {len(missing)} have none, the first "
                f"{missing[0]}"
            )
        rows = [self._rows[name] for name in names]
        if len({len(row) for row in rows}) > 1:
            raise SourceError(f"expected vectors of one width in {self._place}, but widths differ from row to row")
        return np.stack(rows)


def read_vectors(folder: Folder, name: str, key: TwinKey) -> RecordedVectors:
    """Vectors from a `.npz` with `ids` [M] and `vectors` [M, D], or from JSON lines `{"id": ..., "vector": [...]}`.

    Raises `SourceError` for a file that is missing or holds something else.
    """
    place = f"{folder.uri}/{name}"
    try:
        data = read_bytes(folder, name)
    except FileNotFoundError as error:
        raise SourceError(f"expected recorded vectors at {place}, but there is no such file") from error
    found = _from_npz(data, place) if name.endswith(".npz") else _from_lines(data, place)
    return RecordedVectors(_by_id(found, place), key, place, sha256_bytes(data))


def _by_id(found: Iterable[tuple[str, Features]], place: str) -> dict[str, Features]:
    """Raises `SourceError` for an answer that says nothing, and for two that differ: choosing one would be a choice."""
    rows: dict[str, Features] = {}
    for name, vector in found:
        if not (np.isfinite(vector).all() and vector.any()):
            raise SourceError(
                f"expected finite numbers, not all of them zero, as the vector of {name} in {place}, got others: ask "
                "for it again"
            )
        if not np.array_equal(rows.setdefault(name, vector), vector):
            raise SourceError(f"expected one vector for each query in {place}, but {name} has two that differ")
    return rows


def _from_npz(data: bytes, place: str) -> Iterator[tuple[str, Features]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            ids, vectors = arrays["ids"], np.asarray(arrays["vectors"])
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise SourceError(f"expected arrays `ids` and `vectors` in {place}, but: {error}") from error
    if vectors.dtype.kind not in "fiu" or vectors.ndim != 2 or ids.shape != vectors.shape[:1]:
        raise SourceError(
            f"expected `ids` [M] and real numbers `vectors` [M, D] in {place}, got {list(ids.shape)} and "
            f"{vectors.dtype} {list(vectors.shape)}"
        )
    yield from zip(map(str, ids.tolist()), vectors.astype(np.float64), strict=True)


def _from_lines(data: bytes, place: str) -> Iterator[tuple[str, Features]]:
    for number, line in enumerate(filter(bytes.strip, data.splitlines()), start=1):
        yield _from_line(line, f"line {number} of {place}")


def _from_line(line: bytes, place: str) -> tuple[str, Features]:
    expected = f'expected {{"id": ..., "vector": [numbers]}} in {place}'
    try:
        row: Any = json.loads(line)
        name, vector = row["id"], np.array(row["vector"], dtype=np.float64)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SourceError(f"{expected}, but: {type(error).__name__} {error}") from error
    if not isinstance(name, str) or vector.ndim != 1 or not len(vector):
        raise SourceError(f"{expected}, got something else")
    return name, vector
