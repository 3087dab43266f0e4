"""Intervals cover what they should, and a claim that lacks something is not made."""

import numpy as np
import pytest

from mem_core.report.claims import Trained, Victims, missing_for, no_verdict, unjudged
from mem_core.report.intervals import AtEpoch, Estimate, Sampled, combined, with_interval
from mem_core.victim.metrics import RetrievalResult, chance, summarise_ranks
from tests.support.measured import measured

IMAGES, CAPTIONS = 200, 5
CHANCE = chance(IMAGES, [CAPTIONS] * IMAGES)
AS_MANY = (Trained(samples=2000, steps=100, settings="s", pairs="image"),)


def victims(share: float, seeds: int = 1, **more: object) -> Victims:
    found = tuple(measured(share, CHANCE, seed) for seed in range(seeds))
    at = AtEpoch(found, found)
    values: dict[str, object] = {"chance": CHANCE, "last": at, "best": at, "trained": AS_MANY} | more
    return Victims(**values)  # type: ignore[arg-type]


def simulated(draw: np.random.Generator, middle: float, spread: float) -> RetrievalResult:
    """Ranks with a known median; captions of one image resemble each other."""
    images = draw.normal(0, spread, IMAGES)
    captions = np.repeat(images, CAPTIONS) + draw.normal(0, spread, IMAGES * CAPTIONS)
    owners = np.repeat(np.arange(IMAGES), CAPTIONS)
    return RetrievalResult(
        image_to_text=summarise_ranks(1 + np.exp(np.log(middle) + images), 1000, np.arange(IMAGES)),
        text_to_image=summarise_ranks(1 + np.exp(np.log(middle) + captions), IMAGES, owners),
    )


def test_intervals_cover_a_known_median() -> None:
    draw, inside = np.random.default_rng(0), {"image_to_text": 0, "text_to_image": 0}
    for _ in range(200):
        found = simulated(draw, 40, 0.8)
        at = AtEpoch((found,), (found,))
        for direction in inside:
            known = at.median(direction, "bare").estimate()  # type: ignore[arg-type]
            assert known.low is not None
            assert known.high is not None
            inside[direction] += known.low <= 41 <= known.high
    assert all(0.90 <= count / 200 <= 0.98 for count in inside.values()), inside


def test_a_draw_is_the_same_images_for_every_model() -> None:
    """So what two models share cancels out: a model whose ranks are all 10 lower is 10 lower in every draw."""
    ranks, images = np.random.default_rng(1).integers(20, 150, IMAGES).astype(float), np.arange(IMAGES)
    one, other = (np.array(summarise_ranks(r, 200, images).median_rank_draws) for r in (ranks, ranks - 10))
    assert np.all(one - other == 10)
    assert len(set(one)) > 10


def test_draws_are_medians_of_resampled_images_with_all_their_captions() -> None:
    ranks = np.array([1.0, 1, 1, 9, 9, 9])
    draws = summarise_ranks(ranks, 2, np.array([0, 0, 0, 1, 1, 1])).median_rank_draws
    assert set(draws) == {1.0, 5.0, 9.0}  # both times the first image, each once, both times the second
    assert 0.4 < draws.count(5.0) / len(draws) < 0.6


def test_with_several_victims_the_interval_covers_seeds() -> None:
    at = AtEpoch((measured(0.3, CHANCE, 0), measured(0.5, CHANCE, 1)), ())
    found = at.median("text_to_image", "bare").estimate()
    assert found.value == pytest.approx(0.4 * CHANCE.text_to_image.median_rank, abs=1)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.33 * CHANCE.text_to_image.median_rank
    assert found.high > 0.47 * CHANCE.text_to_image.median_rank


def test_without_draws_there_is_no_interval() -> None:
    found = combined(lambda a, b: a - b, Sampled(3.0, None), Sampled(1.0, np.ones(400)))
    assert found.estimate() == Estimate(value=2.0)
    assert found.estimate().differs is None
    assert with_interval(Estimate(value=0.73)) == "73\N{NO-BREAK SPACE}%"
    assert with_interval(Estimate(value=0.73, low=0.69, high=0.77)) == "73\N{NO-BREAK SPACE}% (69 to 77)"


def test_a_claim_with_everything_may_be_made() -> None:
    assert missing_for(victims(0.8), victims(0.1)) == ()
    here = {"tested_on": ("one test set",)}
    assert missing_for(victims(0.8, **here), victims(0.1, **here)) == ()  # type: ignore[arg-type]
    assert missing_for(victims(0.8, **here), victims(0.1)) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("protected", "clean", "said"),
    [
        (victims(0.8), None, "no clean victim was trained beside it"),
        (victims(0.8, best=None), victims(0.1), "the best epoch of the victim is not known"),
        (victims(0.8), victims(0.1, best=None), "the best epoch of the clean victim is not known"),
        (victims(0.8), victims(0.84), "the clean victim is itself near chance (median rank at 8"),
        (
            victims(0.8),
            victims(0.1, trained=(AS_MANY[0].model_copy(update={"samples": 400}),)),
            "the clean victim was trained on 400 pairs, not on 2,000",
        ),
        (
            victims(0.8, trained=(AS_MANY[0].model_copy(update={"pairs": "pair"}),)),
            victims(0.1),
            "the clean victim has a sample for each image, not for each pair",
        ),
        (
            victims(0.8),
            victims(0.1, trained=(AS_MANY[0].model_copy(update={"steps": 50}),)),
            "the clean victim was trained for 50 steps, not for 100",
        ),
        (
            victims(0.8),
            victims(0.1, trained=(AS_MANY[0].model_copy(update={"settings": "t"}),)),
            "the clean victim was trained with other settings",
        ),
        (
            victims(0.8, tested_on=("one test set",)),
            victims(0.1, tested_on=("another",)),
            "the clean victim was queried on other pairs, though as many",
        ),
        (victims(0.8), victims(0.1, trained=()), "it is not known how the clean victim was trained"),
        (
            victims(0.8),
            victims(0.1, chance=chance(IMAGES, [1] * IMAGES)),
            "queried on other pairs (200 images with 200 captions, not 200 with 1,000)",
        ),
    ],
)
def test_what_is_missing_is_said(protected: Victims, clean: Victims | None, said: str) -> None:
    (lack,) = missing_for(protected, clean)
    assert said in lack
    assert no_verdict([lack]) == f"No verdict: {lack}."


def test_few_images_and_no_draws_are_said_once_for_both_victims() -> None:
    few = chance(40, [5] * 40)
    bare = measured(0.5, few).model_copy(
        update={
            side: measured(0.5, few).direction(side).model_copy(update={"median_rank_draws": ()})  # type: ignore[arg-type]
            for side in ("image_to_text", "text_to_image")
        }
    )
    old = Victims(few, AtEpoch((bare,), ()), trained=AS_MANY)
    said = no_verdict(missing_for(old, old))
    assert said.count("there are only 40 test images, and a claim takes 200") == 1
    assert "the victim was not asked prefixed queries" in said
    assert "no bootstrap draws and so no interval" in said


def test_a_clean_part_in_place_of_a_mix_has_fewer_pairs() -> None:
    part = victims(0.1, trained=(AS_MANY[0].model_copy(update={"samples": 1000}),))
    assert missing_for(victims(0.8), part, alike=False) == ()


def test_names_with_commas_stay_apart_where_they_cannot_be_judged_for_one_reason() -> None:
    tests = [("JPEG, quality 75", ("it is weak",)), ("blur", ()), ("crop, then noise", ("it is weak",))]
    assert unjudged(tests) == {"JPEG, quality 75; crop, then noise": "it is weak"}
