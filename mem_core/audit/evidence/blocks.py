"""Pairs in blocks: those that are centred together, are each other's negatives, and are looked at together."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_MOST = 256
Item = TypeVar("Item")


def blocks_needed(count: int) -> int:
    """How many blocks so many pairs are."""
    return -(-count // _MOST)


def block_sizes(count: int) -> list[int]:
    """How many of so many pairs are in each block: at most 256, and no block is a small rest."""
    number = blocks_needed(count)
    return [(count + place) // number for place in range(number)]


def blocks_of(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    """So many items in their order, block by block; fewer where there are fewer."""
    left = iter(items)
    for size in block_sizes(count):
        yield list(islice(left, size))
