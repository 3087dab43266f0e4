"""The picture of attributions: each model's heat over the image, each word of the caption in the colour of its part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mem_core.report.figures import INK, SOFT

_HEAT, _PARTS = colormaps["inferno"], colormaps["RdBu_r"]
_WORDS_SHOWN = 22


@dataclass(frozen=True)
class Look:
    """One model on one pair. pixels: uint8 [S, S, 3]; heat: float [S, S] in 0..1; words: each with its part."""

    pixels: NDArray[np.uint8]
    heat: NDArray[np.float32]
    words: Sequence[tuple[str, float]]


def draw_looks(rows: Sequence[tuple[str, Sequence[Look]]], models: Sequence[str]) -> Figure:
    """A row for each pair (title, a look of each model), a column for each model, before them the image itself."""
    columns = len(models) + 1
    figure = Figure(figsize=(2.1 * columns, 2.95 * len(rows) + 0.3), dpi=200)
    FigureCanvasAgg(figure)  # the width of words is measured while they are placed
    grid = figure.subplots(len(rows), columns, squeeze=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.42 / figure.get_figheight(), bottom=0.02, hspace=0.42)
    for number, (title, looks) in enumerate(rows):
        _show(grid[number][0], looks[0].pixels, "image" if number == 0 else "")
        grid[number][0].text(0.5, -0.04, title, transform=grid[number][0].transAxes, **_SMALL, color=SOFT)
        for axes, look, model in zip(grid[number][1:], looks, models, strict=True):
            _show(axes, overlaid(look.pixels, look.heat), model if number == 0 else "")
            _write_words(axes, look.words)
    return figure


_SMALL = {"fontsize": 7, "ha": "center", "va": "top", "wrap": True}


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """The image in grey under the heat: float [S, S, 3] in 0..1; where there is no heat, darkened grey."""
    grey = np.repeat(pixels.mean(2, keepdims=True) / 255, 3, axis=2)
    shown: NDArray[np.float64] = 0.4 * grey + 0.6 * _HEAT(heat)[..., :3]
    return shown


def _show(axes: Axes, pixels: NDArray[np.float64] | NDArray[np.uint8], title: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=9, color=INK, fontweight="bold")


def _write_words(axes: Axes, words: Sequence[tuple[str, float]]) -> None:
    """Below the picture, broken into lines; red speaks for the pair, blue against it, the palest say nothing."""
    largest = max((abs(part) for _, part in words), default=0) or 1.0
    shown = [*words[:_WORDS_SHOWN], *([("\N{HORIZONTAL ELLIPSIS}", 0.0)] if len(words) > _WORDS_SHOWN else [])]
    x, y = 0.0, -0.05
    for word, part in shown:
        strength = part / largest
        text = axes.text(
            x,
            y,
            word,
            transform=axes.transAxes,
            fontsize=6.5,
            va="top",
            color="white" if abs(strength) > 0.6 else INK,
            bbox={"boxstyle": "square,pad=0.12", "facecolor": _PARTS(0.5 + strength / 2), "edgecolor": "none"},
        )
        extent = text.get_window_extent().transformed(axes.transAxes.inverted())
        if extent.x1 > 1.0 and x > 0:
            x, y = 0.0, y - 0.105
            text.set_position((x, y))
        x += extent.width + 0.05
