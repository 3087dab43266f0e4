"""How easily a simple classifier detects protected samples, and how much noise a small network can remove.

Classifier and network learn from one half of the pairs and are tested on the other. An AUC of 0.5 is chance level,
1.0 is never wrong. What is detected can be left out of a training set or cleaned: a low AUC is part of protection.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mem_core.audit.detectable import Detectability
from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.data.corpus import list_shards
from mem_core.data.images import Pixels
from mem_core.data.shard_cache import load_shard
from mem_core.victim.countermeasures.applied import pairs_of
from mem_core.victim.countermeasures.base import Pair
from mem_core.victim.countermeasures.purifier import Purifier, fit_purifier
from mem_core.victim.countermeasures.words import frequent_words, is_common

Both = tuple[Pair, Pair]
"""One sample, protected and clean."""
Numbers = NDArray[np.float64]
_FREQUENCIES = (1000, 10_000)
_FIRST_WORDS = 3
_LARGE = 4  # levels of 1/255


def measure_detectability(
    protected: Folder, clean: Folder, seed: int, *, samples: int = 400, steps: int = 600, progress: Progress = silent
) -> tuple[Detectability, Purifier]:
    """Raises `SourceError` where the two corpora have too few samples in common."""
    pairs = pairs_in_common(protected, clean, samples)
    known, unseen = pairs[::2], pairs[1::2]
    purifier = fit_purifier([(p.pixels, c.pixels) for p, c in known], seed, steps=steps, progress=progress)
    taken_out = [[_size(pair.pixels, purifier.clean(pair.pixels)) for pair in both] for both in unseen]
    found = Detectability(
        learned_from=len(known),
        judged_on=len(unseen),
        image_auc=linear_auc(known, unseen, lambda pair: image_statistics(pair.pixels)),
        text_auc=linear_auc(known, unseen, lambda pair: text_statistics(pair.captions)),
        purifier_auc=area_under_curve([one for one, _ in taken_out], [other for _, other in taken_out]),
        noise_before=float(np.mean([_size(p.pixels, c.pixels) for p, c in unseen])),
        noise_after=float(np.mean([_size(purifier.clean(p.pixels), c.pixels) for p, c in unseen])),
        damage=float(np.mean([other for _, other in taken_out])),
    )
    return found, purifier


def pairs_in_common(protected: Folder, clean: Folder, samples: int) -> list[Both]:
    """The first samples that both corpora have, from as few shards as it takes. Raises `SourceError`."""
    found: list[Both] = []
    ours = set(list_shards(clean))
    for name in (shard for shard in list_shards(protected) if shard in ours):
        originals = {pair.key: pair for pair in pairs_of(load_shard(clean, name, 2**40))}
        published = pairs_of(load_shard(protected, name, 2**40))
        both = [(pair, originals[pair.key]) for pair in published if pair.key in originals]
        found += [(one, other) for one, other in both if one.pixels.shape == other.pixels.shape]
        if len(found) >= samples:
            break
    if len(found) < 4:
        raise SourceError(
            f"expected samples of {clean.uri} in {protected.uri}, at least 4 of them, but found {len(found)}: "
            "name the corpus that was protected"
        )
    return found[:samples]


def linear_auc(known: Sequence[Both], unseen: Sequence[Both], statistics: Callable[[Pair], Numbers]) -> float:
    """A logistic regression on standardised statistics. Raises `ConfigError` without scikit-learn."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise ConfigError("detectability needs scikit-learn, which is not installed: install it") from error
    rows = np.array([statistics(pair) for both in known for pair in both])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(rows, [1, 0] * len(known))
    scores = [model.decision_function([statistics(pair) for pair in side]) for side in zip(*unseen, strict=True)]
    return area_under_curve(list(scores[0]), list(scores[1]))


def area_under_curve(protected: Sequence[float], clean: Sequence[float]) -> float:
    """The chance that a protected sample has the higher score than a clean one, ties counting half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score([1] * len(protected) + [0] * len(clean), [*protected, *clean]))


def _size(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def image_statistics(pixels: Pixels) -> Numbers:
    """uint8 [H, W, 3] -> float64 [21] of the noise residual, which is the picture less its 3 x 3 median.

    For each channel: spread, mean size, tails (kurtosis), share of large values; how it goes with its neighbour to the
    right, below and across, and the channels with each other.
    """
    smooth = np.asarray(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(3)))
    residual = pixels.astype(np.float64) - smooth
    found: list[float] = []
    for channel in np.moveaxis(residual, 2, 0):
        spread = float(channel.std())
        tails = float((channel**4).mean() / max(spread**4, 1e-9))
        found += [spread, float(np.abs(channel).mean()), np.log1p(tails), float((np.abs(channel) > _LARGE).mean())]
        found += [_together(channel[:, 1:], channel[:, :-1]), _together(channel[1:], channel[:-1])]
    pairs = ((0, 1), (0, 2), (1, 2))
    found += [_together(residual[..., one], residual[..., other]) for one, other in pairs]
    return np.array(found)


def text_statistics(captions: Sequence[str]) -> Numbers:
    """The captions of an image -> float64 [5]: shares of rare words, among all and among the first ones, and length."""
    words = [caption.split() for caption in captions]
    every, first = [w for own in words for w in own], [w for own in words for w in own[:_FIRST_WORDS]]
    rare = [_rare(some, count) for count in _FREQUENCIES for some in (every, first)]
    return np.array([*rare, float(np.mean([len(own) for own in words]))])


def _together(one: Numbers, other: Numbers) -> float:
    """The correlation of two arrays of one shape, 0 where one of them is flat."""
    spread = float(one.std() * other.std()) if one.size else 0.0
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > 1e-9 else 0.0


def _rare(words: Sequence[str], count: int) -> float:
    known = frequent_words(count)
    return float(np.mean([not is_common(word, known) for word in words])) if words else 0.0
