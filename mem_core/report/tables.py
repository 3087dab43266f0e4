"""Findings as the text of the page's tables."""

from mem_core.config import Frozen
from mem_core.report.findings import Addition, EpochFinding, Findings, MetricSpreads, RowFinding, spreads_of
from mem_core.report.intervals import QUERIES, Estimate
from mem_core.report.verdict import rank, signed
from mem_core.victim.metrics import DIRECTIONS, METRICS, Spread


class TableCell(Frozen):
    """The mean, its spread over seeds or its interval, and whether it is the one that counts."""

    mean: str
    deviation: str = ""
    counts: bool = False


NOTHING = TableCell(mean="\N{EN DASH}")


def signed_cell(difference: Estimate, scale: float = 1) -> TableCell:
    """A difference with its interval; scale: 100 for points."""
    if difference.low is None or difference.high is None:
        return TableCell(mean=signed(scale * difference.value))
    interval = f"({signed(scale * difference.low)} to {signed(scale * difference.high)})"
    return TableCell(mean=signed(scale * difference.value), deviation=interval)


def signed_with_interval(difference: Estimate) -> str:
    """`+31 (+12 to +50)`."""
    cell = signed_cell(difference)
    return f"{cell.mean} {cell.deviation}".strip()


def epochs_of(row: RowFinding) -> list[tuple[str, EpochFinding]]:
    """What the lines of a row are called, and what stands there: the last epoch, then the best one if it is known."""
    if row.best is None:
        return [("last", row.last)]
    which = sorted(set(row.epochs))
    said = "" if not which else f" ({which[0]})" if len(which) == 1 else f" ({which[0]} to {which[-1]})"
    return [("last", row.last), (f"best{said}", row.best)]


def metric_cells(epoch: EpochFinding, metric: str) -> list[TableCell]:
    """Image to text bare and prefixed, then text to image bare and prefixed."""
    return [
        _cell(epoch.direction(direction).cell(query), metric, epoch.direction(direction).weakest == query)
        for direction in DIRECTIONS
        for query in QUERIES
    ]


def _cell(spreads: MetricSpreads | None, metric: str, counts: bool = False) -> TableCell:
    if spreads is None:
        return NOTHING
    spread: Spread = getattr(spreads, metric)
    if metric.startswith("hit"):
        deviation = "" if spread.deviation is None else f"±{100 * spread.deviation:.1f}"
        return TableCell(mean=f"{100 * spread.mean:.1f}", deviation=deviation, counts=counts)
    deviation = "" if spread.deviation is None else f"±{spread.deviation:,.1f}"
    mean = f"{spread.mean:,.1f}" if metric == "mean_rank" else rank(spread.mean)
    return TableCell(mean=mean, deviation=deviation, counts=counts)


def difference_cells(addition: Addition) -> list[TableCell]:
    """How far the method's median rank is above the control's, in the order of `metric_cells`."""
    cells = {(direction, query): NOTHING for direction in DIRECTIONS for query in QUERIES}
    for gap in addition.gaps:
        cells[gap.direction, gap.query] = signed_cell(gap.difference)
    return list(cells.values())


def all_metrics(findings: Findings) -> list[tuple[str, str, str, str, list[str]]]:
    """(row, epoch, direction, query, the five metrics) for everything measured, chance level first."""
    table = []
    for direction in DIRECTIONS:
        words = direction.replace("_", " ")
        table.append(("Chance level", "any", words, "any", _metrics(spreads_of([findings.chance], direction))))
        table += [
            (row.label, name, words, query, _metrics(spreads))
            for row in findings.rows
            for name, epoch in epochs_of(row)
            for query in QUERIES
            if (spreads := epoch.direction(direction).cell(query))
        ]
    return table


def _metrics(spreads: MetricSpreads) -> list[str]:
    cells = (_cell(spreads, metric) for metric in METRICS)
    return [f"{cell.mean} {cell.deviation}".strip() for cell in cells]
