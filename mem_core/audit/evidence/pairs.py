"""A twin pair as it is scored: by its two draws, whichever of them was published.

Everything that is computed from a pair before the coins come in is computed from draw 0 and draw 1 in that order, so
that no part of it can depend on a coin.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from mem_core.audit.evidence.commitment import (
    Commitment,
    pair_name,
    require_as_committed,
    require_description,
    require_thrown,
)
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder
from mem_core.data.receipt import read_receipt
from mem_core.protect.coins import TwinKey
from mem_core.protect.twins import TwinPair, read_shard_twins, read_twin_rows


class DrawnPair(NamedTuple):
    """name: shard and key. images: the files of draw 0 and 1. captions: all captions of each, trigger words among them.
    triggers: the trigger words of each, "" where a method has none."""

    name: str
    images: tuple[bytes, bytes]
    captions: tuple[tuple[str, ...], tuple[str, ...]]
    triggers: tuple[str, str]

    @property
    def plain(self) -> tuple[str, ...]:
        """The captions without what the two draws differ in."""
        return tuple(common_words(*both) for both in zip(*self.captions, strict=True))


def common_words(one: str, other: str) -> str:
    """The words that two versions of a caption share, in their order; the same whichever comes first.

    Trigger words stand where the caption's own text says, so two draws differ word by word. Where nothing is shared the
    result is empty.
    """
    first, second = sorted((one.split(), other.split()))
    if len(first) == len(second):
        return " ".join(word for word, twin in zip(first, second, strict=True) if word == twin)
    same = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    return " ".join(word for block in same for word in first[block.a : block.a + block.size])


def drawn_pair(pair: TwinPair) -> DrawnPair:
    """A pair by its draws in place of which of them was published."""
    versions = (pair.twin, pair.published) if pair.row.draw else (pair.published, pair.twin)
    triggers = (pair.twin_trigger, pair.trigger) if pair.row.draw else (pair.trigger, pair.twin_trigger)
    first, second = versions
    return DrawnPair(
        name=pair_name(pair.shard, pair.key),
        images=(first.image, second.image),
        captions=(first.captions, second.captions),
        triggers=triggers,
    )


def committed_pairs(dest: Folder, commitment: Commitment, key: TwinKey) -> Iterator[DrawnPair]:
    """All pairs that were committed to, in their order, one shard at a time; shards that came later are left out.

    Raises `MismatchError` where a file is missing or not as it was committed to.
    """
    require_description(dest, commitment)
    for shard, committed in commitment.shards.items():
        require_as_committed(dest, shard, committed)
        receipt = read_receipt(dest, shard)
        if receipt is None:
            raise MismatchError(f"expected the receipt of shard {shard} in {dest.uri}, but it is missing")
        require_thrown(key, (commitment.corpus, commitment.share), shard, read_twin_rows(dest, receipt))
        yield from map(drawn_pair, read_shard_twins(dest, receipt))
