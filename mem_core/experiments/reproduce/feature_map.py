"""Features of many samples on a plane, as neighbours lie (the paper's figure 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.common.rng import derived_seed
from mem_core.report.figures import INK

_LEAST = 8  # samples: fewer have no neighbourhoods to speak of


def tsne_map(features: Tensor, seed: int) -> NDArray[np.float64]:
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


_STYLES: Mapping[str, tuple[str, str]] = {  # Okabe and Ito's colours
    "clean": ("#0072b2", "o"),
    "protected": ("#d55e00", "^"),
}


@dataclass(frozen=True)
class FeaturePlane:
    """places: float [N, 2] for `clean` and for `protected`."""

    title: str
    places: Mapping[str, NDArray[np.float64]]


def draw_planes(planes: Sequence[FeaturePlane], columns: int = 2) -> Figure:
    """Panels row by row; axes have no unit, only nearness means something."""
    rows = -(-len(planes) // columns)
    figure = Figure(figsize=(4.6 * columns, 4.4 * rows + 0.4), dpi=200)
    for axes, plane in zip(figure.subplots(rows, columns, squeeze=False).flat, planes, strict=False):
        for kind, places in plane.places.items():
            colour, marker = _STYLES[kind]
            axes.scatter(*places.T, s=9, c=colour, marker=marker, linewidths=0, alpha=0.75, label=kind)
        axes.set_title(plane.title, fontsize=10, color=INK, loc="left", fontweight="bold")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#d9dde3")
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="lower center",
        ncols=2,
        markerscale=2,
        frameon=False,
        fontsize=9,
    )
    figure.subplots_adjust(left=0.02, right=0.98, top=0.95, bottom=0.07, wspace=0.06, hspace=0.12)
    return figure
