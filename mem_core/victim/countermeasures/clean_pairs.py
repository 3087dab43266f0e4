"""What a trainer with clean pairs can do: mix them in, use only them, or re-caption the images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.victim.countermeasures.base import Clean, Countermeasure, Draw, Pair


class MixClean(Countermeasure):
    """Only a share of the pairs as published; the others are replaced by their clean originals.

    The share is exact in every shard, to the nearest pair, and nested: what a smaller share keeps, a larger one keeps.
    """

    needs_clean: ClassVar[bool] = True
    kind: Literal["mix-clean"] = "mix-clean"
    protected: float = Field(0.5, ge=0, le=1, description="share of the pairs that stay as published")

    @property
    def control(self) -> Countermeasure:
        """The clean pairs alone: a trainer who has them can leave the others out, whatever was done to those."""
        return CleanPart(protected=self.protected)

    def pairs(self, pairs: Iterable[Pair], draw: Draw, clean: Clean | None = None) -> Iterator[Pair]:
        all_pairs = list(pairs)
        kept = _kept(all_pairs, self.protected, draw)
        for pair in all_pairs:
            yield pair if pair.key in kept else clean_of(pair, clean, self.kind)


class CleanPart(Countermeasure):
    """The very pairs that `MixClean` of the same share makes clean; those that it keeps as published are left out."""

    needs_clean: ClassVar[bool] = True
    picks_published: ClassVar[bool] = True
    drawn_as: ClassVar[str] = "mix-clean"
    kind: Literal["clean-part"] = "clean-part"
    protected: float = Field(0.5, ge=0, le=1, description="share of the pairs that are left out")

    def pairs(self, pairs: Iterable[Pair], draw: Draw, clean: Clean | None = None) -> Iterator[Pair]:
        all_pairs = list(pairs)
        left_out = _kept(all_pairs, self.protected, draw)
        for pair in all_pairs:
            if pair.key not in left_out:
                yield clean_of(pair, clean, self.kind)


class Recaption(Countermeasure):
    """Captions of the same image that never saw a trigger, as a captioning model or a second crawl would give them."""

    needs_clean: ClassVar[bool] = True
    changes_text: ClassVar[bool] = True
    kind: Literal["recaption"] = "recaption"

    def pairs(self, pairs: Iterable[Pair], draw: Draw, clean: Clean | None = None) -> Iterator[Pair]:
        for pair in pairs:
            yield replace(pair, captions=clean_of(pair, clean, self.kind).captions)


def _kept(pairs: Sequence[Pair], share: float, draw: Draw) -> set[str]:
    """The keys of this share of the pairs, by a draw of each."""
    ranked = sorted((pair.key for pair in pairs), key=lambda key: (draw(key).random(), key))
    return set(ranked[: round(share * len(ranked))])


def clean_of(pair: Pair, clean: Clean | None, wanted_by: str) -> Pair:
    """The clean original of a pair. Raises `ConfigError` without a clean corpus, `MismatchError` with another one."""
    if clean is None:
        raise ConfigError(f"the countermeasure {wanted_by} needs the clean corpus", hint="name the clean corpus")
    found = clean.get(pair.key)
    if found is None:
        raise MismatchError(f"expected sample {pair.key} in the clean corpus, but it is not there")
    return found
