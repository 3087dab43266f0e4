"""The tokens a trigger may consist of, with the proof that they survive being published as text.

A word is usable if it is one whole ASCII token of CLIP's byte-pair vocabulary and its spelling encodes to
exactly that token. CLIP's tokenizer splits at white space before it merges, so such words keep their ids in
any combination and in front of any caption. (Of random id triples only 69 % survive; of quintuples 58 %.)
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import torch
from better_profanity import Profanity
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.config import TriggerConfig
from mem_core.models import Tokenizer

_WORD_END = "</w>"
_MIN_LETTERS = 2


@dataclass(frozen=True)
class Vocabulary:
    """The allowed token ids, ascending, int64 [V]; language_model: the hash of the one that proposes them, if any."""

    ids: Tensor
    kind: str
    language_model: str = ""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.ids.numpy().tobytes() + self.language_model.encode()).hexdigest()


def build_vocabulary(tokenizer: Tokenizer, config: TriggerConfig) -> Vocabulary:
    """`words`: English words that survive the round trip, less blocklist and names; `all`: ids but specials (paper).

    Raises `ConfigError` if nothing is left.
    """
    if config.vocabulary == "all":
        return Vocabulary(torch.arange(min(tokenizer.start_id, tokenizer.end_id)), "all")
    blocked = blocklist() | {word.lower() for word in config.blocklist}
    if config.personal_names == "avoid":
        blocked |= personal_names()
    known = {word for _, word in whole_words()} if config.spelling == "any" else english_words() | personal_names()
    ids = [token for token, word in whole_words() if word in known and word not in blocked]
    if len(ids) < 2:
        raise ConfigError(f"expected at least 2 trigger words that blocklist, names and spelling allow, got {len(ids)}")
    return Vocabulary(torch.tensor(ids), "words")


def word_id(tokenizer: Tokenizer, word: str) -> int:
    """The id of a word that is one whole token. Raises `ConfigError` otherwise."""
    ids = tokenizer.ids(word)
    if len(ids) != 1 or tokenizer.decode(ids) != word:
        raise ConfigError(f"expected a lower-case word that is one CLIP token, got {word!r} with tokens {ids}")
    return ids[0]


@lru_cache(maxsize=1)
def blocklist() -> frozenset[str]:
    """Offensive words, from the list that the better-profanity package keeps."""
    return frozenset(str(word).lower() for word in Profanity().CENSOR_WORDSET)


@lru_cache(maxsize=1)
def personal_names() -> frozenset[str]:
    """First and last names among the words (see the head of the file for where they are from)."""
    return _listed("personal_names.txt")


@lru_cache(maxsize=1)
def english_words() -> frozenset[str]:
    """Those that a spelling dictionary knows in lower case (see the head of the file)."""
    return _listed("english_words.txt")


def _listed(name: str) -> frozenset[str]:
    lines = files("mem_core.perturb").joinpath(name).read_text("ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@lru_cache(maxsize=1)
def whole_words() -> tuple[tuple[int, str], ...]:
    """Ids and spellings. A second of work, the same for all context lengths: done once a process."""
    return tuple(_find_whole_words(Tokenizer(context_length=77)))


def _find_whole_words(tokenizer: Tokenizer) -> Iterable[tuple[int, str]]:
    for token in range(min(tokenizer.start_id, tokenizer.end_id)):
        spelling = tokenizer.spelling(token)
        word = spelling.removesuffix(_WORD_END)
        if word == spelling or len(word) < _MIN_LETTERS or not (word.isascii() and word.isalpha()):
            continue
        if tokenizer.ids(word) == [token]:
            yield token, word
