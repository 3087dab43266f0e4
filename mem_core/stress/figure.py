"""The picture of a stress test: how near to guessing victims stay, the worst case on top."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mem_core.report.figures import INK, RULE, SOFT
from mem_core.stress.attacks import AS_PUBLISHED
from mem_core.stress.findings import StressFindings, StressRow

_ACCENT, _CLEAN = "#d1480a", "#727a86"


def draw_stress(findings: StressFindings) -> Figure:
    """A row an attack: a filled dot for victims of protected pairs at their weaker query, open ones for both queries,
    a bar for the victims of clean pairs alone beside them. What lies from the bar up to the dot is what is left."""
    rows = findings.rows
    figure = Figure(figsize=(10.4, 0.95 + 0.34 * len(rows)))
    height = figure.get_figheight()
    axes = figure.add_axes((0.33, 0.5 / height, 0.62, 1 - 0.95 / height))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=SOFT)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    axes.axvline(100, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate("guessing", (100, -0.75), ha="center", va="bottom", fontsize=8.5, color=INK, annotation_clip=False)
    for place, row in enumerate(rows):
        _draw_row(axes, place, row)
    axes.set_xlim(0, max(108.0, 104 * max(_values(row)[-1] for row in rows)))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=9, color=INK)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.name == AS_PUBLISHED else "normal")
    axes.set_xlabel(
        "median rank in % of guessing, worse direction; dots: protected (filled: the query that counts), "
        "bars: clean pairs alone",
        fontsize=8.5,
        color=SOFT,
    )
    return figure


def _values(row: StressRow) -> tuple[float, float]:
    low, high = sorted((row.protected.bare.mean, row.protected.prefixed.mean))
    return low, high


def _draw_row(axes: Axes, place: int, row: StressRow) -> None:
    low, high = (100 * value for value in _values(row))
    if row.clean is not None:
        clean = 100 * row.clean.worst.mean
        axes.plot([clean, low], [place, place], color=_ACCENT, linewidth=5, alpha=0.16, solid_capstyle="butt")
        axes.plot([clean, clean], [place - 0.26, place + 0.26], color=_CLEAN, linewidth=2.2, zorder=2)
    axes.plot([low, high], [place, place], color=_ACCENT, linewidth=1.2, alpha=0.5, zorder=2)
    axes.plot([high], [place], "o", color=_ACCENT, markerfacecolor="white", markersize=5, zorder=3)
    axes.plot([low], [place], "o", color=_ACCENT, markersize=7.5, zorder=3)
    axes.annotate(
        f"{low:.0f} %",
        (max(low, high), place),
        (9, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=9,
        color=_ACCENT,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )
