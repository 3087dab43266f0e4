"""How visible the noise of each corpus is, as histograms."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mem_core.report.figures import INK, RULE, SOFT, Styles, bare_axes, panels, text_colour
from mem_core.report.inputs import ReportInputs, ReportRow


def draw_histograms(inputs: ReportInputs, styles: Styles, *, narrow: bool = False) -> Figure | None:
    """PSNR and SSIM of every protected sample, a line for each row; rows without noise would all be one bar at 1.

    narrow: for a phone, panels below each other.
    """
    rows = [row for row in inputs.rows if row.protected and not is_unchanged(row)]
    drawn = [("psnr", "PSNR, dB (higher: less visible)"), ("ssim", "SSIM (higher: less visible)")]
    drawn = [panel for panel in drawn if any(_values(row, panel[0]).size for row in rows)]
    if not drawn:
        return None
    figure, grid = panels(len(drawn), 2.9, narrow)
    if narrow:
        figure.subplots_adjust(right=0.97)
    else:
        figure.subplots_adjust(left=0.05, right=0.98, top=0.86, bottom=0.2, wspace=0.16)
    if not narrow and (said := not_drawn(inputs)):  # on a phone the line has no room: the alternative text says it
        figure.text(0.05, 0.02, said, fontsize=8.5, color=SOFT)
    for axes, (field, title) in zip(grid, drawn, strict=True):
        _draw_histogram(axes, [(row, _values(row, field)) for row in rows], styles)
        axes.set_title(title, fontsize=9.5, color=INK, loc="left", fontweight="bold")
        axes.set_ylabel("% of samples", fontsize=8.5, color=SOFT)
    return figure


def not_drawn(inputs: ReportInputs) -> str:
    """Which rows the histograms leave out, in a sentence; "" for none."""
    plain = [row.title for row in inputs.rows if row.protected and is_unchanged(row)]
    return f"Not drawn, as their images are unchanged: {', '.join(plain)}." if plain else ""


def is_unchanged(row: ReportRow) -> bool:
    """Whether no image of the row's corpus was changed."""
    alike = _values(row, "ssim")
    return bool(alike.size and (alike == 1).all()) and not _values(row, "psnr").size


def _values(row: ReportRow, field: str) -> NDArray[np.float64]:
    values = getattr(row.protected, field) if row.protected else ()
    array = np.array([value for value in values if value is not None], dtype=np.float64)
    return array[np.isfinite(array)]


def _draw_histogram(axes: Axes, series: Sequence[tuple[ReportRow, NDArray[np.float64]]], styles: Styles) -> None:
    series = [(row, values) for row, values in series if values.size]
    everything = np.concatenate([values for _, values in series])
    width = max(float(np.ptp(everything)), 1e-3)
    edges = np.linspace(everything.min() - 0.02 * width, everything.max() + 0.02 * width, 49)
    bare_axes(axes)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    for row, values in series:
        counts = np.histogram(values, edges)[0] * (100 / values.size)
        colour = styles.colour(row.name)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.12)
        axes.stairs(counts, edges, color=colour, linewidth=1.3, linestyle=styles.dashes(row.name), label=row.title)
    axes.set_ylim(bottom=0)
    legend = axes.legend(frameon=False, fontsize=8.5, handlelength=1.6, loc="upper left")
    for text, (row, _) in zip(legend.get_texts(), series, strict=True):
        text.set_color(text_colour(styles.colour(row.name)))
