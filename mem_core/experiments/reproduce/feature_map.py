"""Features of images and captions in one plane, as neighbours lie (the paper's figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.common.rng import derived_seed
from mem_core.report.figures import INK, RULE, SOFT

_LEAST = 8  # samples: fewer have no neighbourhoods to speak of


def tsne_map(features: Tensor, seed: int, neighbours: float = 30.0) -> NDArray[np.float64]:
    """float [N, D] unit rows -> float64 [N, 2]: t-SNE (van der Maaten and Hinton 2008), started from the two main axes.

    neighbours: about how many each place is laid out by (the perplexity). Equal features and seed give equal places.
    Raises `ConfigError` for too few samples or where scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ConfigError("maps of features need the package scikit-learn, which is not installed") from error
    if len(features) < _LEAST:
        raise ConfigError(f"expected at least {_LEAST} samples to lay out on a plane, got {len(features)}")
    method = TSNE(
        init="pca",
        perplexity=min(neighbours, (len(features) - 1) / 3),
        random_state=derived_seed(seed, "neighbour-map") % 2**32,
        metric="cosine",
    )
    return np.asarray(method.fit_transform(features.cpu().double().numpy()), dtype=np.float64)


_COLOURS = (  # Okabe and Ito's, and two more that stand apart from them
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#1d232b", "#8c564b"),
)
MAX_PHOTOS = len(_COLOURS)
"""As many as there are colours."""


@dataclass(frozen=True)
class PairPlane:
    """Pairs on a plane. photos: which photograph a pair is of, int64 [N]; images, texts: places, float64 [N, 2]."""

    title: str
    photos: Sequence[int]
    images: NDArray[np.float64]
    texts: NDArray[np.float64]


def draw_pairs(planes: Sequence[PairPlane]) -> Figure:
    """A panel for each plane: images as triangles, captions as circles, a colour for each photograph.

    A thin line joins the two of a pair. Axes have no unit, only nearness means something.
    """
    figure = Figure(figsize=(4.8 * len(planes), 5.1), dpi=200)
    for axes, plane in zip(figure.subplots(1, len(planes), squeeze=False)[0], planes, strict=True):
        for photo, image, text in zip(plane.photos, plane.images, plane.texts, strict=True):
            colour = _COLOURS[photo % MAX_PHOTOS]
            axes.plot(*zip(image, text, strict=True), color=colour, linewidth=0.6, alpha=0.35, zorder=1)
            axes.scatter(*image, s=34, c=colour, marker="^", linewidths=0.4, edgecolors="white", zorder=3)
            axes.scatter(*text, s=26, c=colour, marker="o", linewidths=0.4, edgecolors="white", zorder=2)
        axes.set_title(plane.title, fontsize=10, color=INK, loc="left", fontweight="bold")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(RULE)
    shapes = [
        Line2D([], [], linestyle="", marker=marker, color=SOFT, label=label)
        for marker, label in (("^", "image"), ("o", "caption"))
    ]
    figure.legend(handles=shapes, loc="lower center", ncols=2, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.02, right=0.98, top=0.93, bottom=0.08, wspace=0.06)
    return figure
