"""What a trainer does to captions. A caption is its words between spaces; at least one of them always stays."""

from collections.abc import Callable, Sequence
from random import Random
from typing import ClassVar, Literal

from pydantic import Field

from mem_core.countermeasures.base import Captions, Countermeasure
from mem_core.frequent import frequent_words, is_common


class StripFirst(Countermeasure):
    """The first `words` of every caption dropped: the cheapest answer to words that are put in front."""

    changes_text: ClassVar[bool] = True
    kind: Literal["strip-first"] = "strip-first"
    words: int = Field(3, ge=1, le=16)

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: words[self.words :] or words[-1:])


class KeepCommon(Countermeasure):
    """Words outside of a frequency list dropped, wherever they stand: the `common` most frequent ones stay.

    The list is the order in which CLIP's byte pairs were merged, which is by frequency in text from the web; numbers
    and marks stay. A caption of rare words alone stays as it is.
    """

    changes_text: ClassVar[bool] = True
    kind: Literal["keep-common"] = "keep-common"
    common: int = Field(10_000, ge=1, description="words of CLIP's vocabulary, most frequent first")

    def text(self, captions: Captions, draw: Random) -> Captions:
        known = frequent_words(self.common)
        return _each(captions, lambda words: [word for word in words if is_common(word, known)] or words)


class DropWords(Countermeasure):
    """Each word dropped with probability `share`, anew in each epoch: a poor man's paraphrase."""

    every_epoch: ClassVar[bool] = True
    changes_text: ClassVar[bool] = True
    kind: Literal["drop-words"] = "drop-words"
    share: float = Field(0.3, ge=0, lt=1)

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: [w for w in words if draw.random() >= self.share] or [draw.choice(words)])


class ShuffleWords(Countermeasure):
    """The words of a caption in random order, anew in each epoch: positions tell nothing any more."""

    every_epoch: ClassVar[bool] = True
    changes_text: ClassVar[bool] = True
    kind: Literal["shuffle-words"] = "shuffle-words"

    def text(self, captions: Captions, draw: Random) -> Captions:
        return _each(captions, lambda words: draw.sample(words, len(words)))


def _each(captions: Captions, change: Callable[[list[str]], Sequence[str]]) -> Captions:
    return tuple(" ".join(change(caption.split())) for caption in captions)
