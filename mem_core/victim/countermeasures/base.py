"""What a countermeasure is: a stream of (image, captions) pairs in, a stream of the same pairs (or some) out, changed.

A countermeasure is a frozen setting, so it is part of a victim's config and fingerprint, and a plain class that works
by itself:

    for pair in Jpeg(quality=75).pairs(pairs, drawing(seed)): ...

Nothing in here loads torch: settings are checked, and help is shown, without it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, ClassVar

from mem_core.common.rng import derived_seed
from mem_core.config.base import Frozen
from mem_core.data.images import Pixels

Captions = tuple[str, ...]
Draw = Callable[[str], Random]
"""Sample key -> the random numbers that this sample is treated with, the same whatever came before it."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One image with its captions. pixels: uint8 [H, W, 3], RGB. metadata: as in the sample's JSON."""

    key: str
    pixels: Pixels
    captions: Captions
    metadata: Mapping[str, Any] = field(default_factory=dict)


Clean = Mapping[str, Pair]
"""The clean pairs by key, as far as the experiment grants them to the trainer."""


class Countermeasure(Frozen):
    """Base of all countermeasures; a subclass overrides `image`, `text` or, where neither is enough, `pairs`.

    every_epoch: drawn again in each epoch, as an augmentation is; else done once, before training. needs_clean: takes
    something from the clean pairs. changes_text: is of no use to a trainer who reads token ids in place of captions.
    picks_published: takes its pick of the pairs that were published, even where it trains on their clean originals.
    drawn_as: the kind whose random numbers it treats samples with, if not those of its own.
    """

    every_epoch: ClassVar[bool] = False
    needs_clean: ClassVar[bool] = False
    changes_text: ClassVar[bool] = False
    picks_published: ClassVar[bool] = False
    drawn_as: ClassVar[str] = ""

    @property
    def control(self) -> "Countermeasure":
        """What is done to the pairs of the clean victim beside it: the same, as it can hurt clean pairs too."""
        return self

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        """uint8 [H, W, 3] -> uint8 [H', W', 3]; never changes its input."""
        return pixels

    def text(self, captions: Captions, draw: Random) -> Captions:
        """As many captions as came, none of them empty."""
        return captions

    def pairs(self, pairs: Iterable[Pair], draw: Draw, clean: Clean | None = None) -> Iterator[Pair]:
        """The same pairs in the same order, treated; some of them may be left out."""
        for pair in pairs:
            own = draw(pair.key)
            yield replace(pair, pixels=self.image(pair.pixels, own), captions=self.text(pair.captions, own))


def drawing(seed: int, *purpose: str | int) -> Draw:
    """Random numbers for each sample out of a run's seed."""
    return lambda key: Random(derived_seed(seed, "countermeasure", *purpose, key))
