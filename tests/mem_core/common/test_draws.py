"""Draws without torch are those that torch makes from the same key."""

import threading

import torch
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.draws import integers, permutation, uniform
from mem_core.common.rng import generator

seeds = st.integers(0, 2**62)
keys = st.lists(st.integers(-(2**40), 2**40) | st.text(max_size=6), max_size=3)


@given(seeds, keys)
def test_a_share_is_torchs(seed: int, key: list[str | int]) -> None:
    assert uniform(seed, *key) == torch.rand((), generator=generator(seed, *key)).item()


@given(seeds, keys, st.integers(1, 2**28 - 1), st.integers(0, 40))
def test_whole_numbers_are_torchs(seed: int, key: list[str | int], high: int, count: int) -> None:
    expected = torch.randint(high, (count,), generator=generator(seed, *key)).tolist()
    assert integers(high, count, seed, *key) == expected


@given(seeds, keys, st.integers(0, 5000))
def test_orders_are_torchs(seed: int, key: list[str | int], count: int) -> None:
    assert permutation(count, seed, *key) == torch.randperm(count, generator=generator(seed, *key)).tolist()


def test_threads_do_not_meet() -> None:
    expected = [uniform(seed, "phase") for seed in range(200)]
    found: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: found.append([uniform(seed, "phase") for seed in range(200)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
