"""The state of a shard between rounds: read(write(x)) = x, and damage is seen."""

import json
from io import BytesIO

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.rng import generator
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import TriggerConfig
from mem_core.data.shard_cache import LoadedShard
from mem_core.models.byte_pairs import BytePairs
from mem_core.perturb.codebook import plain_ids
from mem_core.perturb.context import FitContext
from mem_core.perturb.state import ShardState, first_state
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, small

SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=5)


def state_of(sizes: list[tuple[int, int]], length: int, rounds: int = 2) -> ShardState:
    draw = torch.Generator().manual_seed(len(sizes))
    noise = [torch.randint(-64, 65, (3, *size), generator=draw).to(torch.int8) for size in sizes]
    triggers = torch.randint(49406, (len(sizes), length), generator=draw)
    return ShardState(noise, triggers, rounds, tuple(0.1 * n for n in range(rounds)))


def to_bytes(state: ShardState) -> bytes:
    stream = BytesIO()
    state.write(stream, "f")
    return stream.getvalue()


@settings(max_examples=50, deadline=None)
@given(SIZES, st.integers(0, 5), st.integers(0, 3))
def test_what_is_written_is_read(sizes: list[tuple[int, int]], length: int, rounds: int) -> None:
    state = state_of(sizes, length, rounds)
    found = ShardState.from_bytes(to_bytes(state), "f", "here")
    assert found is not None
    assert all(torch.equal(one, other) for one, other in zip(found.noise, state.noise, strict=True))
    assert torch.equal(found.trigger_ids, state.trigger_ids)
    assert (found.rounds, found.losses) == (state.rounds, state.losses)
    assert to_bytes(state) == to_bytes(found)


@settings(max_examples=20, deadline=None)
@given(SIZES, st.integers(0, 5))
def test_the_bytes_are_the_librarys(sizes: list[tuple[int, int]], length: int) -> None:
    data = to_bytes(state_of(sizes, length))
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert data == save(load(data), metadata=header["__metadata__"])


def test_the_state_of_another_run_is_none() -> None:
    assert ShardState.from_bytes(to_bytes(state_of([(4, 4)], 3)), "g", "here") is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_never_read_as_a_state(data: st.DataObject) -> None:
    whole = to_bytes(state_of([(4, 5), (1, 1)], 3))
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    cut = data.draw(st.booleans())
    damaged = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :]
    try:
        found = ShardState.from_bytes(damaged, "f", "here/00000.safetensors")
    except MismatchError as error:
        assert "here/00000.safetensors, which is damaged" in str(error)
        return
    if found is not None:  # the bit was in the header's padding, its rounds or its losses: tensors are as they were
        assert torch.equal(found.noise[0], state_of([(4, 5), (1, 1)], 3).noise[0])
        assert torch.equal(found.trigger_ids, state_of([(4, 5), (1, 1)], 3).trigger_ids)


def context_of(**changes: object) -> FitContext:
    nowhere = LocalFolder("/nonexistent/clean")
    return Protection(Places(nowhere, LocalFolder("/nonexistent/dest")), small(**changes), RUNTIME, seed=5).context


def test_random_triggers_depend_on_the_sample_alone() -> None:
    allowed, trigger = range(100, 200), TriggerConfig(length=3)
    one = plain_ids("random", allowed, trigger, BytePairs(), 1, "00000", "b")
    assert one == plain_ids("random", allowed, trigger, BytePairs(), 1, "00000", "b")
    others = [(2, "00000", "b"), (1, "00001", "b"), (1, "00000", "a")]
    assert all(one != plain_ids("random", allowed, trigger, BytePairs(), *other) for other in others)
    drawn = torch.randint(100, (3,), generator=generator(1, "trigger", "00000", "b"))
    assert one == (drawn + 100).tolist()


@pytest.mark.parametrize("method", ["mem", "constant-trigger"])
def test_constant_triggers_are_one_word_and_an_unusable_word_is_named(method: str) -> None:
    empty = LoadedShard("00000", "0" * 64, [], [], [], {})
    start = {"start": "constant"}
    assert first_state(empty, context_of(method=method, trigger=start)).trigger_ids.shape == (0, 2)
    with pytest.raises(ConfigError, match="one CLIP token, got 'unlearnableness'"):
        first_state(empty, context_of(method=method, trigger=start | {"constant_word": "unlearnableness"}))
