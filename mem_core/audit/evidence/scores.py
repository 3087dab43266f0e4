"""What a model's preference for one draw of a twin pair over the other is measured by.

Each score takes features of both draws and gives the preference for draw 1: exchange the draws, and its sign changes.
No score looks at a coin. Features are centred over both draws of a block of pairs first, so that an image or a caption
that is near to all others says nothing.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
Score = Literal["words", "own-trigger", "caption", "noise", "loss"]
Statistic = Literal["words-and-noise", "words", "own-trigger", "caption", "noise", "loss"]

STATISTICS: dict[Statistic, tuple[Score, ...]] = {
    "words-and-noise": ("words", "noise"),
    **{name: (name,) for name in get_args(Score)},
}
"""What is committed to: one score, or several that share the level evenly (Bonferroni): words carry the evidence while
they stand, and noise has to where a trainer dropped them."""

MEANING: dict[Statistic, str] = {
    "words-and-noise": "the better of `words` and `noise`, its p-value doubled",
    "words": "the image, the mean of both draws, against its captions with each draw's trigger words",
    "own-trigger": "each draw's image against the draw's trigger words alone",
    "caption": "each draw's image against its captions with trigger words",
    "noise": "each draw's image against the captions without trigger words",
    "loss": "the contrastive loss of each draw among all other pairs of its block",
}

_SCALE = 20.0  # on cosines: about where CLIP's own stands in mid training


class TwinFeatures(NamedTuple):
    """Unit rows of D numbers, by draw; a row of captions is the mean over a sample's captions.

    images, captions, triggers: float64 [2, N, D]; plain: float64 [N, D].
    """

    images: Features
    captions: Features
    triggers: Features
    plain: Features


def preferences(score: Score, features: TwinFeatures) -> NDArray[np.float64]:
    """The preference for draw 1 of each pair of a block, float64 [N]."""
    return _SCORES[score](features)


def _words(features: TwinFeatures) -> Features:
    images, captions = _centred(features.images), _centred(features.captions)
    return np.asarray((images.mean(0) * (captions[1] - captions[0])).sum(-1))


def _own_trigger(features: TwinFeatures) -> Features:
    return _difference(_centred(features.images), _centred(features.triggers))


def _caption(features: TwinFeatures) -> Features:
    return _difference(_centred(features.images), _centred(features.captions))


def _noise(features: TwinFeatures) -> Features:
    plain = features.plain - features.plain.mean(0)
    return np.asarray(((features.images[1] - features.images[0]) * plain).sum(-1))


def _loss(features: TwinFeatures) -> Features:
    """Negatives are both draws of all other pairs, so that no coin of another pair has a part in it."""
    images, texts = features.images, features.captions
    to_texts = _losses(images, texts) + _losses(texts, images)
    return np.asarray(to_texts[0] - to_texts[1])


def _losses(queries: Features, items: Features) -> Features:
    """The cross entropy of each query to its own item, float64 [2, N], among both draws of the items of others."""
    count = queries.shape[1]
    cosines = _SCALE * np.einsum("vid,ujd->viuj", queries, items)
    own = np.einsum("vivi->vi", cosines).copy()
    pairs = np.arange(count)
    cosines[:, pairs, :, pairs] = -np.inf
    others = np.logaddexp.reduce(cosines.reshape(2, count, 2 * count), axis=-1)
    return np.asarray(np.logaddexp(own, others) - own)


def _difference(images: Features, texts: Features) -> Features:
    own = (images * texts).sum(-1)
    return np.asarray(own[1] - own[0])


def _centred(features: Features) -> Features:
    return np.asarray(features - features.mean((0, 1)))


_SCORES: dict[Score, Callable[[TwinFeatures], Features]] = {
    "words": _words,
    "own-trigger": _own_trigger,
    "caption": _caption,
    "noise": _noise,
    "loss": _loss,
}
