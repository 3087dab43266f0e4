"""Cross-modal retrieval: the rank of the best right item of each query, then every metric from those ranks.

Ties are resolved by expectation. If the best right score is shared by t wrong and r right items, and the tied
ones were put in random order, the first right one would come after t / (r + 1) of the wrong ones on average; so

    rank = 1 + (wrong items strictly higher) + t / (r + 1)

A model that maps everything to one point therefore scores at chance level, not as a perfect model.

Scores are float64 dot products rounded to float32, the precision of the features. Equal items then have equal
scores wherever they stand in the matrix, and neither chunk size nor device changes a rank.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mem_core.common.errors import SourceError, StopRun
from mem_core.victim.metrics import RetrievalResult, summarise_ranks

Features = Tensor | NDArray[np.float32]
_SCORES_IN_MEMORY = 1 << 20  # 8 MB of float64 scores at a time; more is no faster


@torch.no_grad()
def best_ranks(
    queries: Features,
    items: Features,
    positives: Sequence[Sequence[int]],
    *,
    scores_in_memory: int = _SCORES_IN_MEMORY,
) -> NDArray[np.float64]:
    """float [Q, D] queries, float [N, D] items, the indices of the right items of each query -> float64 [Q] ranks.

    Works on the device of `queries`, `scores_in_memory` scores at a time.
    Raises SourceError for a query without a right item, StopRun for features that are not finite.
    """
    query_rows, item_rows = _double(queries, "query"), _double(items, "item").T
    item_rows = item_rows.to(query_rows.device)
    if len(positives) != len(query_rows):
        raise ValueError(f"expected right items for {len(query_rows)} queries, got {len(positives)}")
    chunk = max(1, scores_in_memory // max(1, item_rows.shape[1]))
    ranks = [
        _ranks_of_chunk(query_rows[start : start + chunk] @ item_rows, positives[start : start + chunk], start)
        for start in range(0, len(query_rows), chunk)
    ]
    return torch.cat(ranks).cpu().numpy() if ranks else np.empty(0)


def _double(features: Features, what: str) -> Tensor:
    rows = torch.as_tensor(features)
    if rows.ndim != 2:
        raise ValueError(f"expected a matrix of {what} features, got shape {tuple(rows.shape)}")
    if not bool(torch.isfinite(rows).all()):
        # NaN compares as lower than everything: a model that diverged would look perfect
        raise StopRun(f"expected finite {what} features, got NaN or infinity: the model has diverged")
    return rows.cpu().double() if rows.device.type == "mps" else rows.double()


def _ranks_of_chunk(scores: Tensor, positives: Sequence[Sequence[int]], start: int) -> Tensor:
    """float64 [C, N] scores -> float64 [C] ranks."""
    empty = next((index for index, right in enumerate(positives) if len(right) == 0), None)
    if empty is not None:
        raise SourceError(f"expected a right item for every query, but query {start + empty} has none")
    scores = scores.float()
    rows = np.repeat(np.arange(len(positives)), [len(right) for right in positives])
    columns = np.concatenate([np.asarray(right, dtype=np.int64) for right in positives])
    right = torch.zeros_like(scores, dtype=torch.bool)
    right[torch.as_tensor(rows, device=scores.device), torch.as_tensor(columns, device=scores.device)] = True
    best = scores.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
    tied = scores == best
    right_tied = (tied & right).sum(dim=1)
    wrong_tied = tied.sum(dim=1) - right_tied
    higher = (scores > best).sum(dim=1)  # none of them right: best is the highest right score
    return 1 + higher.double() + wrong_tied.double() / (right_tied + 1)


def retrieve(
    image_features: Features, text_features: Features, text_image: Tensor | NDArray[np.int64]
) -> RetrievalResult:
    """float [I, D] images, float [T, D] captions, int64 [T] the image of each caption -> both directions.

    An image may have any number of captions from one up. Raises SourceError for an image without captions or a caption
    whose image is not there, StopRun for features that are not finite.
    """
    image_ranks, text_ranks = both_ranks(image_features, text_features, text_image)
    images, texts = len(image_ranks), len(text_ranks)
    return RetrievalResult(
        image_to_text=summarise_ranks(image_ranks, texts, np.arange(images)),
        text_to_image=summarise_ranks(text_ranks, images, _owners(text_image)),
    )


def both_ranks(
    image_features: Features, text_features: Features, text_image: Tensor | NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ranks that `retrieve` sums up: float64 [I] of the images' queries, float64 [T] of the captions'."""
    owners = _owners(text_image)
    images, texts = len(image_features), len(text_features)
    if len(owners) != texts:
        raise ValueError(f"expected the image of each of {texts} captions, got {len(owners)}")
    if images == 0 or texts == 0:
        raise SourceError(f"expected images and captions to retrieve, got {images} images and {texts} captions")
    if owners.min() < 0 or owners.max() >= images:
        raise SourceError(
            f"expected captions of {images} images, got a caption of image {owners.min()} to {owners.max()}"
        )
    counts = np.bincount(owners, minlength=images)
    if counts.min() == 0:
        raise SourceError(f"expected a caption for every image, but image {int(counts.argmin())} has none")
    texts_of_image = np.split(np.argsort(owners, kind="stable"), np.cumsum(counts)[:-1])
    image_ranks = best_ranks(image_features, text_features, [list(group) for group in texts_of_image])
    text_ranks = best_ranks(text_features, image_features, [[int(owner)] for owner in owners])
    return image_ranks, text_ranks


def _owners(text_image: Tensor | NDArray[np.int64]) -> NDArray[np.int64]:
    return torch.as_tensor(text_image).cpu().numpy().astype(np.int64)
