"""Pairs in blocks: those that are centred together, are each other's negatives, and are looked at together."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_MOST = 256
Item = TypeVar("Item")


def block_sizes(count: int) -> list[int]:
    """How many of so many pairs are in each block: at most 256, and no block is a small rest."""
    number = -(-count // _MOST)
    return [(count + place) // number for place in range(number)]


def blocks_of(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    """So many items in their order, block by block; fewer where there are fewer."""
    left = iter(items)
    for size in block_sizes(count):
        yield list(islice(left, size))
