"""The chart of shares of chance, a row for each training set."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mem_core.report.figures import SOFT, Styles, text_colour
from mem_core.report.findings import EpochFinding, Findings, RowFinding
from mem_core.report.intervals import QUERIES
from mem_core.report.row_chart import chart_of_rows
from mem_core.victim.metrics import DIRECTIONS, Direction

_ROOM = 12.0  # percent of chance: further left a number has no room beside its mark


def draw_shares(findings: Findings, styles: Styles, *, narrow: bool = False) -> Figure | None:
    """How far each row is from chance level at the epoch that counts: a mark for every direction and query, the one
    that counts filled, with its interval as a bar; a stroke for what counts at the last epoch. narrow: for a phone."""
    rows = [row for row in findings.rows if row.measured]
    if not rows:
        return None
    figure, axes = chart_of_rows([row.label for row in rows], narrow=narrow)
    largest = max(1.0, max(share for row in rows for _, share in _shares(row.counting, findings)))
    for place, row in enumerate(rows):
        _draw_share_row(axes, place, row, findings, styles.colour(row.name))
    axes.set_xlim(0, 100 * largest * 1.08)
    axes.set_xlabel("median rank, in % of chance (higher is better protected)", fontsize=8.5, color=SOFT)
    return figure


def _shares(epoch: EpochFinding, findings: Findings) -> list[tuple[Direction, float]]:
    """Each measured share, with its direction."""
    return [
        (direction, cell.median_rank.mean / findings.chance.direction(direction).median_rank)
        for direction in DIRECTIONS
        for query in QUERIES
        if (cell := epoch.direction(direction).cell(query))
    ]


def _draw_share_row(axes: Axes, place: int, row: RowFinding, findings: Findings, colour: str) -> None:
    shares = _shares(row.counting, findings)
    values = [100 * share for _, share in shares]
    lowest = min(values)
    axes.plot([lowest, max(values)], [place, place], color=colour, linewidth=1.4, alpha=0.45, zorder=2)
    left = right = lowest
    if row.share.low is not None and row.share.high is not None:
        left, right = 100 * row.share.low, 100 * row.share.high
        axes.plot([left, right], [place, place], color=colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
    if row.best and row.last.share:
        last = 100 * row.last.share.value
        axes.plot([last, last], [place - 0.28, place + 0.28], color=colour, linewidth=1.6, zorder=2)
    for (direction, _), value in zip(shares, values, strict=True):
        marker = "o" if direction == "image_to_text" else "D"
        face = colour if value == lowest else "white"
        size = 7.5 if value == lowest else 5
        axes.plot([value], [place], marker=marker, markersize=size, color=colour, markerfacecolor=face, zorder=3)
    value = 100 * row.share.value
    at_the_left = left > _ROOM
    axes.annotate(
        f"{value:.0f} %",
        (left if at_the_left else max(right, *values), place),
        (-9 if at_the_left else 9, 0),
        textcoords="offset points",
        ha="right" if at_the_left else "left",
        va="center",
        fontsize=9,
        color=text_colour(colour),
        fontweight="bold",
    )
