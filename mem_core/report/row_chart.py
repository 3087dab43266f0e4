"""The frame of a chart that has a row for each thing compared, in percent of chance."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mem_core.report.figures import INK, NARROW, RULE, bare_axes

_ABOVE, _BELOW = 0.35, 0.42  # inches for the word at the line of chance, and for what stands below the axis


def chart_of_rows(labels: Sequence[str], *, narrow: bool = False, below: float = _BELOW) -> tuple[Figure, Axes]:
    """Row number i lies at y = i, the first on top, its label at the left; where it is narrow, above it.

    below: inches for what is written under the axis.
    """
    width, step = (NARROW, 0.52) if narrow else (10.4, 0.36)
    height = _ABOVE + below + step * len(labels)
    figure = Figure(figsize=(width, height))
    left, across = (0.03, 0.94) if narrow else (0.29, 0.66)
    axes = figure.add_axes((left, below / height, across, 1 - (_ABOVE + below) / height))
    bare_axes(axes)
    axes.axvline(100, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        "chance level",
        (100, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if narrow else "center",
        va="bottom",
        fontsize=8.5,
        color=INK,
        annotation_clip=False,
    )
    axes.set_ylim(len(labels) - 0.4, -0.85 if narrow else -0.6)
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    if narrow:
        axes.set_yticks([])
        for place, label in enumerate(labels):
            axes.annotate(
                label,
                (0, place - 0.47),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=9,
                color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )
    else:
        axes.set_yticks(range(len(labels)), labels, fontsize=9, color=INK)
    return figure, axes
