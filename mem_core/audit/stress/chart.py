"""The picture of a stress test: a row for each attack, the lowest on top."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mem_core.audit.stress.attacks import AS_PUBLISHED, STOP_EARLY
from mem_core.audit.stress.findings import StressFindings, StressRow
from mem_core.report.figures import SOFT
from mem_core.report.intervals import percent
from mem_core.report.row_chart import chart_of_rows

_ACCENT, _CLEAN = "#d1480a", "#727a86"
_LEGEND = (
    "median rank in % of chance: higher is better protected; worse direction, best epoch; grey strokes: clean pairs "
    "only\ndots: protected (filled: the query that counts, with its interval), thin strokes: the same at the last epoch"
)
_NARROW_LEGEND = (
    "median rank in % of chance: higher is better protected\n"
    "worse direction, best epoch; grey strokes: clean pairs only\n"
    "dots: protected (filled: the query that counts, with its\ninterval), thin strokes: the same at the last epoch"
)


def draw_stress(findings: StressFindings, *, narrow: bool = False) -> Figure:
    """A row an attack: a filled dot for victims of protected pairs at their weaker query, open ones for both queries,
    a bar for the victims of only clean pairs beside them. What lies from the bar up to the dot is what is left. A short
    stroke is what counts at the last epoch, the band behind a filled dot its interval. narrow: for a phone."""
    rows = findings.rows
    figure, axes = chart_of_rows([row.label for row in rows], narrow=narrow, below=1.1 if narrow else 0.65)
    for place, row in enumerate(rows):
        _draw_row(axes, place, row)
    room = 1.16 if narrow else 1.04  # for the number beside the furthest mark
    axes.set_xlim(0, max(108.0, 100 * room * max(_furthest(row) for row in rows)))
    for label, row in zip(axes.get_yticklabels(), rows, strict=False):
        label.set_fontweight("bold" if row.name in (AS_PUBLISHED, STOP_EARLY) else "normal")
    axes.set_xlabel(_NARROW_LEGEND if narrow else _LEGEND, fontsize=8.5, color=SOFT)
    return figure


def _furthest(row: StressRow) -> float:
    shares = row.protected.counting
    return max(share.high or share.value for share in (shares.bare, shares.prefixed, shares.worst))


def _draw_row(axes: Axes, place: int, row: StressRow) -> None:
    shares = row.protected.counting
    low, high = (100 * value for value in sorted((shares.bare.value, shares.prefixed.value)))
    if row.clean is not None:
        clean = 100 * row.clean.counting.worst.value
        axes.plot([clean, clean], [place - 0.26, place + 0.26], color=_CLEAN, linewidth=2.2, zorder=2)
    right = high
    if shares.worst.low is not None and shares.worst.high is not None:
        band = [100 * shares.worst.low, 100 * shares.worst.high]
        axes.plot(band, [place, place], color=_ACCENT, linewidth=5, alpha=0.25, solid_capstyle="butt")
        right = max(right, band[1])
    if row.protected.best is not None:
        last = 100 * row.protected.last.worst.value
        axes.plot([last, last], [place - 0.2, place + 0.2], color=_ACCENT, linewidth=1.4, zorder=2)
    axes.plot([low, high], [place, place], color=_ACCENT, linewidth=1.2, alpha=0.5, zorder=2)
    axes.plot([high], [place], "o", color=_ACCENT, markerfacecolor="white", markersize=5, zorder=3)
    axes.plot([low], [place], "o", color=_ACCENT, markersize=7.5, zorder=3)
    axes.annotate(
        f"{low:.0f} %",
        (right, place),
        (9, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=9,
        color=_ACCENT,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )


def stress_in_words(findings: StressFindings) -> str:
    """The rows of the picture, from the lowest up: protected, and of only clean pairs."""
    rows = (
        f"{row.label} {percent(row.protected.counting.worst.value)}"
        + ("" if row.clean is None else f" (clean pairs only: {percent(row.clean.counting.worst.value)})")
        for row in findings.rows
    )
    return (
        "Median rank in percent of chance after each attack, in the worse direction; higher is better protected, "
        f"100 % is chance level: {', '.join(rows)}."
    )
