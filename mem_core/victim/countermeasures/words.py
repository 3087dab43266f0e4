"""What a trainer does to captions. A caption is its words between spaces; at least one of them always stays."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import ClassVar, Literal

from pydantic import Field

from mem_core.config.base import unit
from mem_core.victim.countermeasures.base import Captions, Countermeasure

_EDGES = ".,;:!?\"'()[]{}-"


class StripFirst(Countermeasure):
    """The first `words` of every caption dropped: the cheapest answer to words that are put in front."""

    changes_text: ClassVar[bool] = True
    kind: Literal["strip-first"] = "strip-first"
    words: int = Field(3, ge=1, le=16, description="words dropped from the front", json_schema_extra=unit("words"))

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: words[self.words :] or words[-1:])


class StripLast(Countermeasure):
    """The last `words` of every caption dropped: the same against words that are put at the end."""

    changes_text: ClassVar[bool] = True
    kind: Literal["strip-last"] = "strip-last"
    words: int = Field(3, ge=1, le=16, description="words dropped from the end", json_schema_extra=unit("words"))

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: words[: -self.words] or words[:1])


class KeepCommon(Countermeasure):
    """Words outside of a frequency list dropped, wherever they stand: the `common` most frequent ones stay.

    The list is the order in which CLIP's byte pairs were merged, which is by frequency in text from the web; numbers
    and marks stay. A caption of only rare words stays as it is.
    """

    changes_text: ClassVar[bool] = True
    kind: Literal["keep-common"] = "keep-common"
    common: int = Field(10_000, ge=1, description="words of CLIP's vocabulary, most frequent first")

    def text(self, captions: Captions, draw: Random) -> Captions:
        known = frequent_words(self.common)
        return _each(captions, lambda words: [word for word in words if is_common(word, known)] or words)


class DropWords(Countermeasure):
    """Each word dropped with probability `share`, drawn again in each epoch: a crude paraphrase."""

    every_epoch: ClassVar[bool] = True
    changes_text: ClassVar[bool] = True
    kind: Literal["drop-words"] = "drop-words"
    share: float = Field(0.3, ge=0, lt=1, description="share of the words that are dropped")

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: [w for w in words if draw.random() >= self.share] or [draw.choice(words)])


class ShuffleWords(Countermeasure):
    """The words of a caption in random order, another one in each epoch: positions carry no information."""

    every_epoch: ClassVar[bool] = True
    changes_text: ClassVar[bool] = True
    kind: Literal["shuffle-words"] = "shuffle-words"

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: draw.sample(words, len(words)))


@lru_cache(maxsize=8)
def frequent_words(count: int) -> frozenset[str]:
    """The `count` most frequent whole words of CLIP's vocabulary, lower case, letters only."""
    from mem_core.models import Tokenizer  # here, as it loads torch

    tokenizer = Tokenizer(context_length=77)
    spelled = (tokenizer.spelling(index) for index in range(tokenizer.size))
    words = [word.removesuffix("</w>") for word in spelled if word.endswith("</w>")]
    return frozenset([word for word in words if word.isascii() and word.isalpha()][:count])


def is_common(word: str, known: frozenset[str]) -> bool:
    """Whether a word of a caption, without the marks at its ends, is in the list or is none of letters at all."""
    bare = word.strip(_EDGES).lower()
    return not any(letter.isalpha() for letter in bare) or bare in known


def _each(captions: Captions, change: Callable[[list[str]], Sequence[str]]) -> Captions:
    return tuple(" ".join(change(caption.split())) for caption in captions)
