"""The tokens a trigger may consist of, with the proof that they survive being published as text.

A word is usable if it is one whole ASCII token of CLIP's byte-pair vocabulary and its spelling encodes to
exactly that token. CLIP's tokenizer splits at white space before it merges, so such words keep their ids in
any combination and in front of any caption. (Of random id triples only 69 % survive; of quintuples 58 %.)

No torch is needed to know them.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import numpy as np
from better_profanity import Profanity

from mem_core.common.errors import ConfigError
from mem_core.config import TriggerConfig
from mem_core.models.byte_pairs import BytePairs


def allowed_ids(tokenizer: BytePairs, config: TriggerConfig) -> tuple[int, ...]:
    """Ascending. `words`: English words that survive the round trip, less blocklist and names; `all`: ids but specials.

    Raises `ConfigError` if nothing is left.
    """
    if config.vocabulary == "all":  # the paper's
        return tuple(range(min(tokenizer.start_id, tokenizer.end_id)))
    blocked = blocklist() | {word.lower() for word in config.blocklist}
    if config.personal_names == "avoid":
        blocked |= personal_names()
    ids = tuple(token for token, word in whole_words(config.spelling) if word not in blocked)
    if len(ids) < 2:
        raise ConfigError(f"expected at least 2 trigger words that blocklist, names and spelling allow, got {len(ids)}")
    return ids


def ids_sha256(ids: Sequence[int], language_model: str = "") -> str:
    """What a protector keeps of its vocabulary: the hash of the ids as int64, and of a language model's hash."""
    return hashlib.sha256(np.asarray(ids, dtype=np.int64).tobytes() + language_model.encode()).hexdigest()


def word_id(tokenizer: BytePairs, word: str) -> int:
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


@lru_cache(maxsize=2)
def whole_words(spelling: Literal["dictionary", "any"]) -> tuple[tuple[int, str], ...]:
    """Ids and spellings, ascending. A third of a second of work, the same for all contexts: done once a process."""
    tokenizer = BytePairs()
    known = None if spelling == "any" else english_words() | personal_names()
    tokens = range(min(tokenizer.start_id, tokenizer.end_id))
    found = ((token, tokenizer.whole_word(token, among=known)) for token in tokens)
    return tuple((token, word) for token, word in found if word)
