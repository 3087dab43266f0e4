"""What a model is asked about twins, and the p-values that its answers give, for every statistic and some on trial."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mem_core.audit.evidence.blocks import block_sizes
from mem_core.audit.evidence.encoding import ModelEncoder, features_of
from mem_core.audit.evidence.outcome import sequential_p
from mem_core.audit.evidence.pairs import DrawnPair
from mem_core.audit.evidence.scores import STATISTICS, Score, preferences
from mem_core.audit.evidence.sign_flip import sign_flip, signs
from mem_core.common.rng import derived_seed, generator
from mem_core.config import RuntimeConfig, ViewConfig
from mem_core.data.images import decode_image
from mem_core.models import OpenClipEncoder
from mem_core.models.device import resolve_device
from mem_core.models.image_batch import PixelBatch

SCORES: tuple[Score, ...] = ("words", "own-trigger", "caption", "noise", "loss")
# On trial, so nothing that can be committed to: noise as seen in random crops, and by the loss in place of the cosine.
_TRIALS = ("noise-crops", "noise-loss-crops")
MEASURED: dict[str, tuple[str, ...]] = dict(STATISTICS) | {name: (name,) for name in _TRIALS}
_CROPS = 8

Preferences = dict[str, NDArray[np.float64]]


def preferences_of(model: OpenClipEncoder, runtime: RuntimeConfig, pairs: Sequence[DrawnPair]) -> Preferences:
    """By score, the preference for draw 1 of each pair."""
    encoder, crops = ModelEncoder(model, runtime), _CropsEncoder(model, runtime)
    found: dict[str, list[float]] = {name: [] for name in (*SCORES, *_TRIALS)}
    first = 0
    for size in block_sizes(len(pairs)):
        features = features_of(pairs[first : first + size], encoder, SCORES)
        for score in SCORES:
            found[score] += preferences(score, features).tolist()
        seen = features._replace(images=_both_draws(pairs[first : first + size], crops))
        found["noise-crops"] += preferences("noise", seen).tolist()
        twice = seen._replace(captions=np.stack([seen.plain, seen.plain]))
        found["noise-loss-crops"] += preferences("loss", twice).tolist()
        first += size
    return {score: np.array(values) for score, values in found.items()}


class _CropsEncoder:
    """Images as the mean over random crops, as training saw them; the same crops for every file of a call."""

    def __init__(self, model: OpenClipEncoder, runtime: RuntimeConfig) -> None:
        self._model, self._device = model, resolve_device(runtime)

    def images(self, files: Sequence[bytes]) -> NDArray[np.float64]:
        pixels = [torch.from_numpy(decode_image(file, max_pixels=2**40).pixels).permute(2, 0, 1) for file in files]
        batch, crop = PixelBatch(pixels, None, self._device), ViewConfig(kind="random-crop")
        total: NDArray[np.float64] = np.zeros(1)
        for number in range(_CROPS):
            views = batch.draw_views(crop, self._model.image_size, generator(0, "crops", number))
            with torch.no_grad():
                total = total + self._model.encode_image(batch.look(views)).double().cpu().numpy()
        return np.asarray(total) / _CROPS


def _both_draws(pairs: Sequence[DrawnPair], encoder: _CropsEncoder) -> NDArray[np.float64]:
    rows = np.stack([encoder.images([pair.images[draw] for pair in pairs]) for draw in (0, 1)])
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def thrown(name: str, count: int) -> NDArray[np.int64]:
    """Coins of another key, one for each model."""
    return np.random.default_rng(derived_seed(0, "coins", name)).integers(0, 2, count)


def all_p(found: Preferences, coins: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Statistic -> the fixed p-value, the sequential one, the share of coins right; fewer than 20 pairs, too."""
    fixed = {score: sign_flip(values, coins).p for score, values in found.items()}
    right = {score: float((signs(values, coins) > 0).mean()) for score, values in found.items()}
    return {
        statistic: {
            "p": digits(min(1.0, len(scores) * min(fixed[score] for score in scores))),
            "sequential": digits(float(sequential_p([found[score] for score in scores], coins)[-1])),
            "right": digits(max(right[score] for score in scores)),
        }
        for statistic, scores in MEASURED.items()
    }


def digits(value: float) -> float:
    return float(f"{value:.4g}")
