"""Random numbers without torch, the very ones that a generator of `rng.generator` gives: one call for one choice.

torch draws on a CPU from a Mersenne twister seeded with the low 32 bits of the seed, as numpy's `RandomState` does.
What is made of its 32-bit numbers stands here, so that a server which has no torch makes the bytes of the pipeline,
and no later torch changes them.
"""

import hashlib
import json
import threading

import numpy as np

from mem_core.common.rng import derived_seed

_own = threading.local()


def uniform(seed: int, *keys: str | int) -> float:
    """What `torch.rand(())` gives: 0 <= value < 1, a multiple of 2**-24."""
    return (_numbers(1, seed, keys)[0] & 0xFFFFFF) / 2**24


def integers(high: int, count: int, seed: int, *keys: str | int) -> list[int]:
    """What `torch.randint(high, (count,))` gives: 0 <= values < high. high: below 2**28."""
    return [number % high for number in _numbers(count, seed, keys)]


def permutation(count: int, seed: int, *keys: str | int) -> list[int]:
    """What `torch.randperm(count)` gives. count: at most 2**27."""
    order = list(range(count))
    for place, number in enumerate(_numbers(max(0, count - 1), seed, keys)):
        other = place + number % (count - place)
        order[place], order[other] = order[other], order[place]
    return order


def draw_seed(seed: int, draw: int, secret: str = "") -> int:
    """The seed of what is drawn for a sample or shard, in one of the independent draws from a fit of this seed.

    secret: what nobody can guess, where a seed could be tried out; all of it goes in, as 63 bits might not do.
    """
    if secret:
        return int(hashlib.sha256(json.dumps([seed, "draw", draw, secret]).encode()).hexdigest(), 16)
    return derived_seed(seed, "draw", draw) if draw else seed


def _numbers(count: int, seed: int, keys: tuple[str | int, ...]) -> list[int]:
    twister: np.random.RandomState | None = getattr(_own, "twister", None)
    if twister is None:  # a new one takes 15 times as long as a new seed
        twister = _own.twister = np.random.RandomState()
    twister.seed(derived_seed(seed, *keys) & 0xFFFFFFFF)
    return twister.randint(0, 1 << 32, size=count, dtype=np.uint32).tolist()  # type: ignore[no-any-return]
