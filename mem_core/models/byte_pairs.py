"""CLIP's byte-pair tokens without torch: what open_clip's tokenizer gives, id for id, from the file that it comes with.

A server that puts trigger words into captions has no use for torch, which open_clip imports. So the same few rules
stand here: text repaired, spaces joined, lower case, pieces cut by a pattern, and the bytes of each piece merged in the
order in which the pairs were learned. Pairs wait in a heap, so that a hostile word of a million letters takes seconds.
"""

import gzip
import html
from array import array
from collections.abc import Sequence, Set
from functools import lru_cache
from heapq import heapify, heappop, heappush
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import ftfy
import numpy as np
import regex
from numpy.typing import NDArray

from mem_core.common.errors import ConfigError

_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 48_894  # of the file's 262,144: CLIP has 49,408 tokens, two of them specials, 512 single bytes
_WORD_END = "</w>"
_SPECIALS = ("<start_of_text>", "<end_of_text>")
_PIECES = regex.compile(
    "|".join(_SPECIALS) + r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)
_CACHED_LETTERS = 64  # longer words are no words: kept, they would fill the memory


class _Tables(NamedTuple):
    """spellings: of each id; ids: the other way; ranks: "left right" -> when the pair is merged; shown: a byte that is
    blank or unprintable -> the character it is written as; bytes: the character of each byte -> the byte."""

    spellings: list[str]
    ids: dict[str, int]
    ranks: dict[str, int]
    shown: dict[int, str]
    bytes: dict[str, int]


class BytePairs:
    """CLIP's tokens of any text, whatever the context. Instances share their tables and may be used by any thread."""

    def __init__(self) -> None:
        tables = _tables()
        self._spellings, self._bytes, self._shown = tables.spellings, tables.bytes, tables.shown
        self.start_id, self.end_id = (tables.ids[special] for special in _SPECIALS)

    def ids(self, text: str) -> list[int]:
        """All ids of a text, without start, end or length limit."""
        clean = " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()
        found: list[int] = []
        for piece in _PIECES.findall(clean):
            word = piece.encode().decode("latin-1").translate(self._shown)
            found += _cached_merge(word) if len(word) <= _CACHED_LETTERS else _merge(word)
        return found

    def rows(self, texts: Sequence[str], length: int) -> NDArray[np.int64]:
        """int64 [N, length]: start, ids, end, zeros; longer texts are cut and end with the end token."""
        room = length - 2
        pieces = [self.packed(text)[: 2 * room] for text in texts]
        counts = np.array([len(piece) // 2 for piece in pieces], dtype=np.int64)
        rows = np.zeros((len(pieces), length), dtype=np.int64)
        rows[:, 0] = self.start_id
        rows[:, 1:-1][np.arange(room) < counts[:, None]] = np.frombuffer(b"".join(pieces), dtype=np.uint16)
        rows[np.arange(len(pieces)), counts + 1] = self.end_id
        return rows

    def packed(self, text: str) -> bytes:
        """All ids of a text, uint16 each: CLIP's vocabulary has 49,408."""
        return array("H", self.ids(text)).tobytes()

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, without surrounding spaces."""
        spelled = "".join(self._spellings[token] for token in ids)
        text = bytes(self._bytes[character] for character in spelled).decode("utf-8", errors="replace")
        return text.replace(_WORD_END, " ").strip()

    def spelling(self, token_id: int) -> str:
        """One token as the vocabulary spells it; whole words end in `</w>`."""
        return self._spellings[token_id]

    def whole_word(self, token_id: int, among: Set[str] | None = None) -> str:
        """The word of two or more letters a to z that is this token and no others; "" where there is none.

        among: the words that are of interest; None: any.
        """
        spelling = self._spellings[token_id]
        word = spelling.removesuffix(_WORD_END)
        plain = len(word) > 1 and word != spelling and word.isascii() and word.isalpha() and word.islower()
        plain = plain and (among is None or word in among)
        return word if plain and _merge(word) == (token_id,) else ""

    @property
    def size(self) -> int:
        return len(self._spellings)


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    """Raises `ConfigError` where open_clip, which brings the file, is not installed; it is found, not imported."""
    package = find_spec("open_clip")
    path = Path(next(iter(package.submodule_search_locations or ()), "")) / _FILE if package else Path(_FILE)
    if not path.is_file():
        raise ConfigError(
            f"expected {_FILE} of the package open_clip_torch, which is not installed here: install it (on a server "
            "without torch: `pip install --no-deps open_clip_torch`)"
        )
    merges = gzip.decompress(path.read_bytes()).decode().split("\n")[1 : _MERGES + 1]
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shown = {byte: chr(256 + n) for n, byte in enumerate(byte for byte in range(256) if byte not in set(plain))}
    letters = [*map(chr, plain), *shown.values()]
    spellings = [*letters, *(letter + _WORD_END for letter in letters)]
    spellings += [merge.replace(" ", "") for merge in merges]
    spellings += _SPECIALS
    return _Tables(
        spellings,
        ids={spelling: token for token, spelling in enumerate(spellings)},
        ranks={merge: rank for rank, merge in enumerate(merges)},
        shown=shown,
        bytes=dict(zip(letters, (*plain, *shown), strict=True)),
    )


def _merge(word: str) -> tuple[int, ...]:
    """The ids of one piece of a text: of all neighbours the pair learned first is joined, again and again.

    No pair is learned before the tokens that it is made of, so those found on the way can wait in the same heap.
    """
    tables = _tables()
    if word in _SPECIALS:
        return (tables.ids[word],)
    parts = [*word[:-1], word[-1] + _WORD_END]
    ranks, count = tables.ranks, len(parts)
    before, after = list(range(-1, count - 1)), list(range(1, count + 1))
    waiting: list[tuple[int, int]] = []
    for place in range(count - 1):
        rank = ranks.get(f"{parts[place]} {parts[place + 1]}")
        if rank is not None:
            waiting.append((rank, place))
    heapify(waiting)
    while waiting:
        rank, place = heappop(waiting)
        other = after[place]
        if other == count or not parts[place] or ranks.get(f"{parts[place]} {parts[other]}") != rank:
            continue  # one of the two was joined with another neighbour meanwhile
        parts[place] += parts[other]
        parts[other] = ""
        following = after[place] = after[other]
        if following < count:
            before[following] = place
            if (next_rank := ranks.get(f"{parts[place]} {parts[following]}")) is not None:
                heappush(waiting, (next_rank, place))
        first = before[place]
        if first >= 0 and (next_rank := ranks.get(f"{parts[first]} {parts[place]}")) is not None:
            heappush(waiting, (next_rank, first))
    return tuple(tables.ids[part] for part in parts if part)


_cached_merge = lru_cache(maxsize=2**16)(_merge)
