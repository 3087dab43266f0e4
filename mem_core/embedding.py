"""Features of many samples on a plane, as neighbours lie (the paper's figure 6)."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.common.rng import derived_seed

_LEAST = 8  # samples: fewer have no neighbourhoods to speak of


def neighbour_map(features: Tensor, seed: int) -> NDArray[np.float64]:
    """float [N, D] unit rows -> float64 [N, 2]: t-SNE (van der Maaten and Hinton 2008), started from the two main axes.

    Equal features and seed give equal places. Raises `ConfigError` for too few samples or where scikit-learn is
    not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ConfigError("maps of features need the package scikit-learn, which is not installed") from error
    if len(features) < _LEAST:
        raise ConfigError(f"expected at least {_LEAST} samples to lay out on a plane, got {len(features)}")
    method = TSNE(
        init="pca",
        perplexity=min(30.0, (len(features) - 1) / 3),
        random_state=derived_seed(seed, "neighbour-map") % 2**32,
        metric="cosine",
    )
    return np.asarray(method.fit_transform(features.cpu().double().numpy()), dtype=np.float64)
