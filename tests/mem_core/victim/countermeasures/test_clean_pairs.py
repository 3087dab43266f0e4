"""Shares of clean pairs are exact and nested; captions come from the clean image of the same key."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.victim.countermeasures.base import Clean, Countermeasure, Pair, drawing
from mem_core.victim.countermeasures.clean_pairs import CleanPart, MixClean, Recaption
from mem_core.victim.countermeasures.images import Jpeg
from mem_core.victim.countermeasures.words import StripFirst


def published(count: int) -> list[Pair]:
    return [Pair(f"{i:09d}", np.full((4, 4, 3), i % 256, np.uint8), (f"marsh {i}",)) for i in range(count)]


def clean(pairs: Sequence[Pair]) -> Clean:
    return {pair.key: Pair(pair.key, pair.pixels // 2, (f"clean {pair.key}",)) for pair in pairs}


def kept(pairs: Sequence[Pair], share: float, seed: int) -> set[str]:
    one = MixClean(protected=share)
    found = list(one.pairs(pairs, drawing(seed), clean(pairs)))
    assert [pair.key for pair in found] == [pair.key for pair in pairs]
    return {new.key for new, old in zip(found, pairs, strict=True) if new.captions == old.captions}


@given(st.integers(0, 60), st.integers(0, 3), st.floats(0, 1), st.floats(0, 1))
def test_shares_are_exact_and_nested(count: int, seed: int, one: float, other: float) -> None:
    pairs = published(count)
    less, more = sorted((one, other))
    assert len(kept(pairs, less, seed)) == round(less * count)
    assert kept(pairs, less, seed) <= kept(pairs, more, seed)


@given(st.integers(0, 60), st.integers(0, 3), st.floats(0, 1))
def test_a_clean_part_is_the_clean_pairs_of_the_mix_and_nothing_else(count: int, seed: int, share: float) -> None:
    pairs = published(count)
    mixed = MixClean(protected=share).pairs(pairs, drawing(seed), clean(pairs))
    part = CleanPart(protected=share).pairs(pairs, drawing(seed), clean(pairs))
    told = [(pair.key, pair.captions) for pair in mixed if pair.captions == (f"clean {pair.key}",)]
    assert [(pair.key, pair.captions) for pair in part] == told


def test_the_control_of_a_mix_is_its_clean_part_and_of_others_they_themselves() -> None:
    assert MixClean(protected=0.3).control == CleanPart(protected=0.3)
    for one in (Jpeg(quality=50), Recaption(), CleanPart(protected=0.3)):
        assert one.control == one


def test_another_seed_keeps_others() -> None:
    assert kept(published(60), 0.5, 0) != kept(published(60), 0.5, 1)


def test_the_order_of_pairs_decides_nothing() -> None:
    pairs = published(40)
    assert kept(pairs, 0.3, 0) == kept(pairs[::-1], 0.3, 0)


def test_a_clean_pair_comes_with_image_and_captions() -> None:
    pairs = published(3)
    for pair in MixClean(protected=0).pairs(pairs, drawing(0), clean(pairs)):
        assert pair is not None
        assert pair.captions == (f"clean {pair.key}",)
        assert (pair.pixels == int(pair.key) // 2).all()


def test_new_captions_leave_the_picture_as_published() -> None:
    pairs = published(3)
    for before, after in zip(pairs, Recaption().pairs(pairs, drawing(0), clean(pairs)), strict=True):
        assert after.captions == (f"clean {before.key}",)
        assert (after.pixels == before.pixels).all()


@pytest.mark.parametrize("one", [MixClean(protected=0), CleanPart(protected=0), Recaption()])
def test_a_clean_corpus_that_lacks_a_sample_is_named(one: Countermeasure) -> None:
    pairs = published(3)
    with pytest.raises(MismatchError, match="expected sample 000000002 in the clean corpus"):
        list(one.pairs(pairs, drawing(0), clean(pairs[:2])))
    with pytest.raises(ConfigError, match="needs the clean corpus$"):
        list(one.pairs(pairs, drawing(0)))


def test_countermeasures_compose_as_streams() -> None:
    pairs = published(5)
    chained = StripFirst(words=1).pairs(Jpeg(quality=50).pairs(iter(pairs), drawing(0)), drawing(0))
    assert [pair.captions for pair in chained] == [(str(i),) for i in range(5)]
