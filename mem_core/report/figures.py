"""Charts as PNG bytes, drawn with matplotlib's objects alone: no pyplot, no global state, safe in threads."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mem_core.config.methods import METHODS
from mem_core.report.inputs import ReportInputs, ReportRow

INK, SOFT, RULE = "#1d232b", "#5d6673", "#d9dde3"
NARROW = 4.2  # inches: a chart for a phone, whose letters are as large as those of the page there
_DPI = 200
_READABLE = 4.6  # contrast of text with its ground: WCAG 2 asks for 4.5, and hexadecimal colours are rounded
_LONGEST_LABEL = 22
_THIN, _DASHED = 0.9, (0, (3, 2))
Dashes = str | tuple[float, tuple[float, ...]]
_DASHES: tuple[Dashes, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


class Styles:
    """One colour for a method wherever it is drawn; rows of one method differ in their dashes."""

    def __init__(self, rows: Sequence[ReportRow]) -> None:
        seen: Counter[str] = Counter()
        self._styles: dict[str, tuple[str, Dashes]] = {}
        for row in rows:
            self._styles[row.name] = (METHODS[row.method].colour, _DASHES[seen[row.method] % len(_DASHES)])
            seen[row.method] += 1

    def colour(self, name: str) -> str:
        return self._styles[name][0]

    def dashes(self, name: str) -> Dashes:
        return self._styles[name][1]


def png(figure: Figure) -> bytes:
    """The figure as PNG, without the metadata that would change its bytes between versions."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure)  # makes itself the canvas of the figure
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


@dataclass(frozen=True)
class OtherCurve:
    """A run that is not ours, of the same kind as a row. values: by field of a history's points, epoch -> value."""

    row: str
    values: Mapping[str, Mapping[int, float]]


def draw_curves(
    inputs: ReportInputs, styles: Styles, others: Sequence[OtherCurve] = (), *, narrow: bool = False
) -> Figure | None:
    """Training loss and the two test median ranks at every epoch: seeds thin, their mean thick.

    others: runs of an independent rerun, thin and dashed in the colour of their row. narrow: for a phone, panels below
    each other.
    """
    rows = [row for row in inputs.rows if any(row.history)]
    drawn = [
        ("loss", "Training loss", None),
        ("image_to_text_median_rank", "Test median rank, image to text", inputs.chance.image_to_text.median_rank),
        ("text_to_image_median_rank", "Test median rank, text to image", inputs.chance.text_to_image.median_rank),
    ]
    drawn = [panel for panel in drawn if any(_series(row, panel[0]) for row in rows)]
    if not drawn:
        return None
    figure, grid = panels(len(drawn), 3.6, narrow)
    if not narrow:
        figure.subplots_adjust(left=0.045, right=0.86 if len(drawn) > 1 else 0.8, top=0.88, bottom=0.13, wspace=1.05)
    for axes, (field, title, guess) in zip(grid, drawn, strict=True):
        for other in others:
            values = other.values.get(field, {})
            colour = styles.colour(other.row)
            axes.plot(list(values), list(values.values()), color=colour, linewidth=_THIN, linestyle=_DASHED)
        _draw_panel(axes, rows, field, guess, styles)
        axes.set_title(title, fontsize=9.5, color=INK, loc="left", fontweight="bold")
        axes.set_xlabel("epoch", fontsize=8.5, color=SOFT)
    if others:
        line = Line2D([], [], color=SOFT, linewidth=_THIN, linestyle=_DASHED, label="independent rerun")
        figure.legend(handles=[line], loc="lower right", frameon=False, fontsize=8)
    return figure


def panels(count: int, height: float, narrow: bool) -> tuple[Figure, list[Axes]]:
    """Beside each other; narrow: below each other, with room at the right for names at the ends of lines."""
    if not narrow:
        figure = Figure(figsize=(10.4, height), dpi=_DPI)
        return figure, list(figure.subplots(1, count, squeeze=False)[0])
    tall = 2.9 * count
    figure = Figure(figsize=(NARROW, tall), dpi=_DPI)
    figure.subplots_adjust(left=0.12, right=0.66, top=1 - 0.35 / tall, bottom=0.45 / tall, hspace=0.42)
    return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _series(row: ReportRow, field: str) -> list[dict[int, float]]:
    """Epoch -> value for each seed that logged the field."""
    seeds = [
        {point.epoch: value for point in history if (value := getattr(point, field)) is not None}
        for history in row.history
    ]
    return [seed for seed in seeds if seed]


def _draw_panel(axes: Axes, rows: Sequence[ReportRow], field: str, guess: float | None, styles: Styles) -> None:
    bare_axes(axes)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    labels = []
    seen: set[int] = set()
    for row in rows:
        seeds = _series(row, field)
        colour, dashes = styles.colour(row.name), styles.dashes(row.name)
        for seed in seeds if len(seeds) > 1 else []:
            axes.plot(list(seed), list(seed.values()), color=colour, linewidth=0.7, alpha=0.35)
        epochs = sorted(set().union(*seeds))
        seen.update(epochs)
        means = [float(np.mean([seed[epoch] for seed in seeds if epoch in seed])) for epoch in epochs]
        if means:
            marker = "o" if len(means) == 1 else ""
            axes.plot(epochs, means, color=colour, linewidth=1.8, linestyle=dashes, marker=marker, markersize=4)
            labels.append((means[-1], _short(row), colour))
    if guess is not None:
        axes.axhline(guess, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        labels.append((guess, "chance level", INK))
    axes.set_ylim(bottom=0)
    if len(seen) == 1 and not axes.dataLim.width:  # matplotlib would make up hundredths of an epoch around it
        (only,) = seen
        axes.set_xlim(only - 1, only + 1)
        axes.set_xticks([only])
    else:
        axes.locator_params(axis="x", integer=True, nbins=6)
    _label_ends(axes, labels)


def _short(row: ReportRow) -> str:
    """What fits beside a line: the label, or the name where the label is long."""
    return row.title if len(row.title) <= _LONGEST_LABEL else row.name


def _label_ends(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Names at the right ends of lines, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    gap = (high - low) * 0.052
    right = axes.get_xlim()[1]
    ordered = sorted(labels)
    places = spread_apart([value for value, _, _ in ordered], gap, low, high)
    for (value, name, colour), place in zip(ordered, places, strict=True):
        leader = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 2, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            name,
            (right, value),
            (1.06, (place - low) / (high - low)),
            textcoords="axes fraction",
            fontsize=7.5,
            color=text_colour(colour),
            va="center",
            annotation_clip=False,
            arrowprops=leader,
        )


def spread_apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Sorted values moved as little as it takes to be `gap` apart, from `low` on and up to `high` if they fit."""
    groups: list[list[float]] = []  # neighbours that touch move together, to the middle of what they name
    for index, value in enumerate(values):
        groups.append([value - index * gap])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    middles = [float(np.mean(group)) for group in groups for _ in group]
    last = high - gap * (len(values) - 1)
    return [max(low, min(middle, last)) + index * gap for index, middle in enumerate(middles)]


def text_colour(colour: str) -> str:
    """The colour, darkened towards ink until text in it stands out from white as WCAG 2 asks."""
    start, end = np.array(to_rgb(colour)), np.array(to_rgb(INK))
    mixed = ((1 - part) * start + part * end for part in np.linspace(0, 1, 51))
    return to_hex(next(each for each in mixed if 1.05 / (_luminance(each) + 0.05) >= _READABLE))


def _luminance(colour: NDArray[np.float64]) -> float:
    """Of sRGB in 0..1, float [3], as WCAG 2 defines it."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def bare_axes(axes: Axes) -> None:
    """No box, quiet ticks, white ground."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=SOFT)
    axes.set_axisbelow(True)
