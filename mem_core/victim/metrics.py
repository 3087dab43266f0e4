"""Retrieval metrics: from ranks, at chance level, and their spread over seeds and test images. No torch in here.

Every metric is derived from one number a query, the 1-based rank of its best right item:

- hit@k is the share of queries whose rank is at most k (never called recall);
- the median rank (Medr) is the middle rank, or the mean of the two middle ones when their number is even;
- the mean rank is their mean.

Chance level is the same metrics for a random order, computed analytically, not simulated. Its median follows the
same convention: the middle of the distribution of ranks, or the mean of its two middle values where exactly
half of the probability lies below. So 1,000 images give 500.5 and not 500.

Bootstrap draws say how much a median rank owes to the test images that happened to be there. A draw takes as many
images as there are, with replacement, and with an image all its captions (they resemble each other, so drawn singly
they would count as more than they are); what is ranked stays whole. The images of draw b depend on their number alone:
for all models queried on one test set draw b is the same, so that differences can be taken draw by draw.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mem_core.common.rng import derived_seed
from mem_core.config import Frozen

Direction = Literal["image_to_text", "text_to_image"]
DIRECTIONS: tuple[Direction, Direction] = ("image_to_text", "text_to_image")
METRICS = ("hit_at_1", "hit_at_5", "hit_at_10", "median_rank", "mean_rank")
_HALF = 0.5
BOOTSTRAP_DRAWS = 400
_DRAWS_AT_ONCE = 50  # of 25,000 captions: 10 MB
_ROUNDING = 1e-9  # far above the error of a product of 25,000 factors, far below 1 / items


class DirectionResult(Frozen):
    """Metrics of one direction; hits are shares in 0..1, ranks count from 1 and may be fractional after ties."""

    hit_at_1: float = Field(ge=0, le=1)
    hit_at_5: float = Field(ge=0, le=1)
    hit_at_10: float = Field(ge=0, le=1)
    median_rank: float = Field(ge=1)
    mean_rank: float = Field(ge=1)
    queries: int = Field(ge=1)
    items: int = Field(ge=1, description="how many items each query ranks")
    median_rank_draws: tuple[float, ...] = Field(
        (), description="the median rank in bootstrap draws of the test images, draw by draw the same for every model"
    )


class RetrievalResult(Frozen):
    """Both directions, query first: `image_to_text` ranks all captions for each image."""

    image_to_text: DirectionResult
    text_to_image: DirectionResult

    def direction(self, direction: Direction) -> DirectionResult:
        return self.image_to_text if direction == "image_to_text" else self.text_to_image

    @property
    def median_ranks(self) -> str:
        """For people: image to text / text to image."""
        return f"{self.image_to_text.median_rank:g} / {self.text_to_image.median_rank:g}"


def without_draws(plain: Any) -> Any:
    """Results as plain data, without their bootstrap draws: for files that keep the intervals themselves."""
    if isinstance(plain, dict):
        return {name: without_draws(value) for name, value in plain.items() if name != "median_rank_draws"}
    return [without_draws(value) for value in plain] if isinstance(plain, list) else plain


class Spread(Frozen):
    """Mean over seeds and the sample standard deviation (n - 1), unknown for a single seed."""

    mean: float
    deviation: float | None = None
    n: int = Field(ge=1)


def summarise_ranks(ranks: NDArray[np.float64], items: int, images: NDArray[np.int64] | None = None) -> DirectionResult:
    """float64 [Q] ranks among `items` -> metrics. images: int64 [Q], the test image (0 to I - 1) that each query is or
    belongs to, for bootstrap draws; without them there are none. Raises ValueError without queries."""
    if ranks.size == 0:
        raise ValueError("expected at least one query to summarise, got none")
    return DirectionResult(
        hit_at_1=float(np.mean(ranks <= 1)),
        hit_at_5=float(np.mean(ranks <= 5)),
        hit_at_10=float(np.mean(ranks <= 10)),
        median_rank=float(np.median(ranks)),
        mean_rank=float(np.mean(ranks)),
        queries=int(ranks.size),
        items=items,
        median_rank_draws=() if images is None else tuple(bootstrap_medians(ranks, images).tolist()),
    )


def bootstrap_medians(ranks: NDArray[np.float64], images: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [Q] ranks, int64 [Q] the image of each -> float64 [B] median ranks of the draws, rounded to halves."""
    order = np.argsort(ranks, kind="stable")
    ordered, owners = ranks[order], images[order]
    counts = _times_drawn(int(images.max()) + 1)
    medians = []
    for first in range(0, len(counts), _DRAWS_AT_ONCE):
        seen = np.cumsum(counts[first : first + _DRAWS_AT_ONCE][:, owners], axis=1)
        total = seen[:, -1:]
        low, high = (ordered[np.argmax(seen > place, axis=1)] for place in ((total - 1) // 2, total // 2))
        medians.append((low + high) / 2)
    rounded: NDArray[np.float64] = np.round(2 * np.concatenate(medians)) / 2
    return rounded


@lru_cache(maxsize=4)
def _times_drawn(images: int) -> NDArray[np.int32]:
    """int32 [B, I]: how often each image is in each draw."""
    chosen = np.random.default_rng(derived_seed(0, "bootstrap of test images", images)).integers(
        images, size=(BOOTSTRAP_DRAWS, images)
    )
    counts = np.stack([np.bincount(draw, minlength=images) for draw in chosen]).astype(np.int32)
    counts.setflags(write=False)  # kept for the next model
    return counts


def chance(images: int, captions_per_image: Sequence[int]) -> RetrievalResult:
    """The chance level on `images` images with so many captions each.

    Raises ValueError if the counts do not match or an image has no caption.
    """
    if images < 1 or len(captions_per_image) != images or min(captions_per_image) < 1:
        raise ValueError(
            f"expected one caption or more for each of {images} images, got {len(captions_per_image)} counts"
        )
    captions = sum(captions_per_image)
    return RetrievalResult(
        image_to_text=_chance_direction(captions, Counter(captions_per_image)),
        text_to_image=_chance_direction(images, Counter({1: captions})),
    )


def _chance_direction(items: int, right_items: Counter[int]) -> DirectionResult:
    """Chance where `right_items[r]` queries have r right items among `items`.

    Queries differ in r, so their ranks follow a mixture: hits and means are averaged over queries, but the median
    is that of the mixture (the average of medians would be another number).
    """
    queries = right_items.total()
    within = np.zeros(items + 1)  # within[k] = P(rank <= k)
    for right, count in sorted(right_items.items()):
        within += (1 - _all_wrong(items, right)) * (count / queries)
    mean = math.fsum(count * (items + 1) / (right + 1) for right, count in right_items.items()) / queries
    low = int(np.argmax(within >= _HALF - _ROUNDING))
    high = int(np.argmax(within > _HALF + _ROUNDING))
    hits = {k: min(1.0, float(within[min(k, items)])) for k in (1, 5, 10)}
    return DirectionResult(
        hit_at_1=hits[1],
        hit_at_5=hits[5],
        hit_at_10=hits[10],
        median_rank=(low + high) / 2,
        mean_rank=mean,
        queries=queries,
        items=items,
    )


def _all_wrong(items: int, right: int) -> NDArray[np.float64]:
    """float64 [items + 1]: the probability that the first k of `items` shuffled items hold none of `right`."""
    k = np.arange(items)
    factors = np.maximum(items - right - k, 0) / (items - k)
    return np.concatenate([[1.0], np.cumprod(factors)])


def summarise(values: Sequence[float]) -> Spread:
    """The spread of one number over seeds. Raises ValueError without values."""
    if not values:
        raise ValueError("expected a value for at least one seed, got none")
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(mean=math.fsum(values) / len(values), deviation=deviation, n=len(values))


def summarise_directions(results: Sequence[DirectionResult]) -> dict[str, Spread]:
    """The spread of each metric of `METRICS` over the results of several seeds."""
    return {metric: summarise([getattr(result, metric) for result in results]) for metric in METRICS}
