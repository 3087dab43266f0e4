"""Ranks against a slow, obvious oracle; chance against known values, enumeration and a simulation."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.errors import SourceError, StopRun
from mem_core.victim.metrics import chance, summarise, summarise_directions, summarise_ranks
from mem_core.victim.retrieval import best_ranks, retrieve

# few whole numbers: exact dot products, and many ties
coordinates = st.integers(-2, 2)


@st.composite
def corpora(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, captions and the image of each caption; one caption an image or many, in any order."""
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    owners = draw(st.permutations([image for image, count in enumerate(counts) for _ in range(count)]))
    size = draw(st.integers(1, 3))
    rows = st.lists(coordinates, min_size=size, max_size=size)
    images = draw(st.lists(rows, min_size=len(counts), max_size=len(counts)))
    texts = draw(st.lists(rows, min_size=len(owners), max_size=len(owners)))
    return np.array(images, np.float32), np.array(texts, np.float32), np.array(owners, np.int64)


def oracle_rank(query: np.ndarray, items: np.ndarray, right: list[int]) -> float:
    """The expected position of the first right item over every order of the items that the scores allow."""
    scores = [sum(int(a) * int(b) for a, b in zip(query, item, strict=True)) for item in items]
    best = max(scores[index] for index in right)
    higher = sum(score > best for score in scores)
    tied = [index in right for index, score in enumerate(scores) if score == best]
    places = list(itertools.combinations(range(len(tied)), sum(tied)))  # where right ones may stand
    return float(1 + higher + Fraction(sum(min(place) for place in places), len(places)))


@given(corpora(), st.integers(1, 30))
def test_ranks_equal_the_oracle_whatever_the_chunks(
    corpus: tuple[np.ndarray, np.ndarray, np.ndarray], memory: int
) -> None:
    images, texts, owners = corpus
    right = [[text for text, owner in enumerate(owners) if owner == image] for image in range(len(images))]
    expected = [oracle_rank(image, texts, group) for image, group in zip(images, right, strict=True)]
    ranks = best_ranks(images, texts, right, scores_in_memory=memory)
    assert ranks.dtype == np.float64
    np.testing.assert_allclose(ranks, expected, rtol=1e-12)


@given(corpora())
def test_retrieve_is_the_oracle_in_both_directions(corpus: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    images, texts, owners = corpus
    result = retrieve(torch.from_numpy(images), torch.from_numpy(texts), torch.from_numpy(owners))
    image_ranks = [oracle_rank(image, texts, list(np.flatnonzero(owners == i))) for i, image in enumerate(images)]
    text_ranks = [oracle_rank(text, images, [int(owners[t])]) for t, text in enumerate(texts)]
    for direction, ranks in ((result.image_to_text, image_ranks), (result.text_to_image, text_ranks)):
        middle = sorted(ranks)[(len(ranks) - 1) // 2 : len(ranks) // 2 + 1]
        assert direction.median_rank == pytest.approx(sum(middle) / len(middle))
        assert direction.mean_rank == pytest.approx(sum(ranks) / len(ranks))
        assert direction.hit_at_1 == pytest.approx(sum(rank <= 1 for rank in ranks) / len(ranks))
        assert direction.hit_at_5 == pytest.approx(sum(rank <= 5 for rank in ranks) / len(ranks))
        assert direction.hit_at_10 == pytest.approx(sum(rank <= 10 for rank in ranks) / len(ranks))
        assert direction.queries == len(ranks)


def test_a_collapsed_model_ranks_in_the_middle() -> None:
    ones = np.ones((100, 8), np.float32)
    result = retrieve(ones, np.ones((300, 8), np.float32), np.repeat(np.arange(100), 3))
    assert result.text_to_image.median_rank == 50.5
    assert result.image_to_text.median_rank == pytest.approx(301 / 4)
    assert result.image_to_text.hit_at_10 == 0


def test_equal_items_tie_wherever_they_stand() -> None:
    """Matrix kernels round the last columns otherwise than the first: equal vectors must tie all the same."""
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(37, 61)).astype(np.float32)
    items = np.tile(rng.normal(size=(1, 61)).astype(np.float32), (1003, 1))
    ranks = best_ranks(queries, items, [[row] for row in range(37)])
    assert set(ranks) == {502.0}


def test_perfect_and_single() -> None:
    eye = np.eye(12, dtype=np.float32)
    result = retrieve(eye, eye, np.arange(12))
    assert result.image_to_text.hit_at_1 == result.text_to_image.hit_at_1 == 1
    one = np.ones((1, 4), np.float32)
    assert retrieve(one, one, np.zeros(1, np.int64)).image_to_text.median_rank == 1


def test_refusals() -> None:
    eye = np.eye(3, dtype=np.float32)
    with pytest.raises(StopRun, match="diverged"):
        retrieve(np.full((3, 3), np.nan, np.float32), eye, np.arange(3))
    with pytest.raises(SourceError, match="image 2 has none"):
        retrieve(eye, eye[:2], np.arange(2))
    with pytest.raises(SourceError, match="caption of image"):
        retrieve(eye[:2], eye, np.arange(3))
    with pytest.raises(SourceError, match="query 1 has none"):
        best_ranks(eye, eye, [[0], [], [2]])
    with pytest.raises(SourceError, match="expected images and captions"):
        retrieve(eye[:0], eye[:0], np.arange(0))


def test_bfloat16_features_are_taken() -> None:
    eye = torch.eye(4, dtype=torch.bfloat16)
    assert retrieve(eye, eye, torch.arange(4)).image_to_text.mean_rank == 1


@pytest.mark.parametrize(("images", "medians", "hits"), [(1000, (647, 500.5), 0.01), (5000, (3236, 2500.5), 0.002)])
def test_known_chance(images: int, medians: tuple[float, float], hits: float) -> None:
    guess = chance(images, [5] * images)
    assert (guess.image_to_text.median_rank, guess.text_to_image.median_rank) == medians
    assert guess.text_to_image.hit_at_10 == pytest.approx(hits, rel=1e-9)
    assert guess.image_to_text.hit_at_10 == pytest.approx(hits, rel=5e-3)
    assert guess.image_to_text.mean_rank == pytest.approx((5 * images + 1) / 6)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_chance_equals_counting(counts: list[int]) -> None:
    """Every placing of the right items counted in whole numbers."""
    items = sum(counts)
    share = {rank: Fraction(0) for rank in range(1, items + 1)}
    for right in counts:
        for rank in share:  # the first right item stands at `rank`: the others stand behind it
            share[rank] += Fraction(math.comb(items - rank, right - 1), math.comb(items, right)) / len(counts)
    guess = chance(len(counts), counts).image_to_text
    below = list(itertools.accumulate(share.values()))
    low = next(rank for rank, total in enumerate(below, 1) if total >= Fraction(1, 2))
    high = next(rank for rank, total in enumerate(below, 1) if total > Fraction(1, 2))
    assert guess.median_rank == (low + high) / 2
    assert guess.mean_rank == pytest.approx(float(sum(rank * part for rank, part in share.items())))
    for k, hit in ((1, guess.hit_at_1), (5, guess.hit_at_5), (10, guess.hit_at_10)):
        assert hit == pytest.approx(float(below[min(k, items) - 1]))


def test_chance_is_that_of_random_orders() -> None:
    """Random features, images with 1 to 9 captions: what is measured comes out at what is worked out."""
    rng = np.random.default_rng(7)
    counts = [1 + image % 9 for image in range(400)]
    owners = np.repeat(np.arange(400), counts)
    runs = [
        retrieve(
            rng.normal(size=(400, 64)).astype(np.float32), rng.normal(size=(len(owners), 64)).astype(np.float32), owners
        )
        for _ in range(8)
    ]
    guess = chance(400, counts)
    for direction in ("image_to_text", "text_to_image"):
        measured = summarise_directions([getattr(run, direction) for run in runs])
        expected = getattr(guess, direction)
        assert measured["median_rank"].mean == pytest.approx(expected.median_rank, rel=0.05)
        assert measured["mean_rank"].mean == pytest.approx(expected.mean_rank, rel=0.05)
        assert measured["hit_at_10"].mean == pytest.approx(expected.hit_at_10, abs=0.006)


def test_chance_refuses_counts_that_do_not_fit() -> None:
    for images, counts in ((0, []), (2, [1]), (2, [1, 0])):
        with pytest.raises(ValueError, match="expected one caption or more"):
            chance(images, counts)


def test_spread_over_seeds() -> None:
    assert summarise([3.0]).deviation is None
    spread = summarise([1.0, 2.0, 6.0])
    assert (spread.mean, spread.n) == (3.0, 3)
    assert spread.deviation == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    with pytest.raises(ValueError, match="at least one seed"):
        summarise([])
    with pytest.raises(ValueError, match="at least one query"):
        summarise_ranks(np.empty(0), 3)
