"""A surrogate for each shard: whole, resumable, apart from all other shards, and at equal compute."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes
from mem_core.config import Method
from mem_core.protect.protection import Places, Protection
from mem_core.protect.sources import steps_for_each
from tests.support.corpora import RUNTIME, Cut, Failing, contents, protect, published, small, tiny_corpus

CONFIG = small(strategy="independent")


@given(steps=st.integers(0, 10_000), shards=st.integers(1, 500))
def test_all_surrogates_together_take_no_more_steps_than_one(steps: int, shards: int) -> None:
    each = steps_for_each(steps, shards)
    assert each * shards <= max(steps, shards)
    assert (each > 0) == (steps > 0)


def test_nothing_is_left_but_the_corpus_and_it_differs_from_rounds(tmp_path: Path) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 6, 6), LocalFolder(tmp_path / "out")
    protect(Protection(Places(clean, dest), CONFIG, RUNTIME, seed=1))
    assert not [name for name in dest.names() if "/" in name]
    rounds = LocalFolder(tmp_path / "rounds")
    protect(Protection(Places(clean, rounds), small(), RUNTIME, seed=1))
    assert published(dest)["00000.tar"] != published(rounds)["00000.tar"]


def test_a_shard_is_the_same_whatever_its_neighbours_hold(tmp_path: Path) -> None:
    tars = []
    for other in (4, 7):
        clean, dest = tiny_corpus(tmp_path / f"clean{other}", 6, other), LocalFolder(tmp_path / f"out{other}")
        protect(Protection(Places(clean, dest), CONFIG, RUNTIME, seed=1))
        tars.append(read_bytes(dest, "00000.tar"))
    assert tars[0] == tars[1]


@pytest.mark.parametrize("method", ["mem", "uap"])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, method: Method) -> None:
    config = CONFIG.model_copy(update={"method": method})
    clean = tiny_corpus(tmp_path / "clean", 5, 5)
    whole = LocalFolder(tmp_path / "whole")
    protect(Protection(Places(clean, whole), config, RUNTIME, seed=2))
    for fail_at in (2, 5, 9):
        dest = LocalFolder(tmp_path / f"cut{fail_at}")
        with pytest.raises(Cut):
            protect(Protection(Places(clean, Failing(dest, fail_at)), config, RUNTIME, seed=2))
        protect(Protection(Places(clean, dest), config, RUNTIME, seed=2))
        assert contents(dest) == contents(whole)


def test_rounds_do_not_take_its_shards_for_theirs(tmp_path: Path) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 5), LocalFolder(tmp_path / "out")
    protect(Protection(Places(clean, dest), CONFIG, RUNTIME, seed=1))
    with pytest.raises(MismatchError, match="other settings"):
        protect(Protection(Places(clean, dest), small(), RUNTIME, seed=1))


def test_what_has_no_surrogate_cannot_be_independent(tmp_path: Path) -> None:
    clean, config = tiny_corpus(tmp_path / "clean", 5), small(strategy="independent", method="codebook")
    with pytest.raises(ConfigError, match="a surrogate for each shard, and codebook has none"):
        Protection(Places(clean, LocalFolder(tmp_path / "out")), config, RUNTIME, seed=1)
