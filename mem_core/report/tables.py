"""Findings as rows of text for the page's tables (and for whoever prints them elsewhere)."""

from mem_core.config import Frozen
from mem_core.report.findings import DIRECTIONS, QUERIES, Cell, Findings, RowFinding, result_of
from mem_core.report.inputs import Kind
from mem_core.report.verdict import percent, rank
from mem_core.victim.metrics import METRICS, RetrievalResult, Spread


class Figure(Frozen):
    """One cell: the mean, its spread over seeds, and whether it is the one that counts."""

    mean: str
    deviation: str = ""
    counts: bool = False


class TableRow(Frozen):
    """`hits` and `ranks`: image to text bare and prefixed, then text to image bare and prefixed. Shares in percent."""

    name: str
    label: str
    kind: Kind
    seeds: int
    hits: tuple[Figure, ...]
    ranks: tuple[Figure, ...]
    shares: tuple[float | None, ...]


class AdditionRow(Frozen):
    """One control against the method: four differences of the median rank, the share, the part of the effect."""

    name: str
    label: str
    isolates: str
    differences: tuple[Figure, ...]
    points: str
    part: str


NOTHING = Figure(mean="\N{EN DASH}")


def minus(text: str) -> str:
    """A true minus sign in place of the hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def retrieval_table(findings: Findings) -> list[TableRow]:
    return [
        TableRow(
            name=row.name,
            label=row.label,
            kind=row.kind,
            seeds=row.seeds,
            hits=_figures(row, "hit_at_10"),
            ranks=_figures(row, "median_rank"),
            shares=tuple(
                None if share is None else 100 * share
                for share in (row.direction(direction).share_of_chance for direction in DIRECTIONS)
            ),
        )
        for row in findings.rows
    ]


def _figures(row: RowFinding, metric: str) -> tuple[Figure, ...]:
    return tuple(
        _figure(row.direction(direction).cell(query), metric, row.direction(direction).weakest == query)
        for direction in DIRECTIONS
        for query in QUERIES
    )


def _figure(cell: Cell | None, metric: str, counts: bool) -> Figure:
    if cell is None:
        return NOTHING
    spread: Spread = getattr(cell, metric)
    if metric.startswith("hit"):
        deviation = "" if spread.deviation is None else f"±{100 * spread.deviation:.1f}"
        return Figure(mean=f"{100 * spread.mean:.1f}", deviation=deviation, counts=counts)
    deviation = "" if spread.deviation is None else f"±{spread.deviation:,.1f}"
    mean = f"{spread.mean:,.1f}" if metric == "mean_rank" else rank(spread.mean)
    return Figure(mean=mean, deviation=deviation, counts=counts)


def additions_table(findings: Findings) -> list[AdditionRow]:
    rows = []
    for addition in findings.additions:
        gaps = {(gap.direction, gap.query): gap for gap in addition.gaps}
        differences = []
        for direction in DIRECTIONS:
            for query in QUERIES:
                gap = gaps.get((direction, query))
                error = "" if gap is None or gap.standard_error is None else f"±{gap.standard_error:,.1f}"
                differences.append(Figure(mean=signed(gap.difference), deviation=error) if gap else NOTHING)
        share = addition.share_difference
        rows.append(
            AdditionRow(
                name=addition.control,
                label=addition.control_label,
                isolates=addition.isolates,
                differences=tuple(differences),
                points=NOTHING.mean if share is None else signed(100 * share),
                part=NOTHING.mean if addition.control_part is None else percent(max(addition.control_part, 0)),
            )
        )
    return rows


def signed(value: float) -> str:
    """A difference in whole ranks with its sign."""
    rounded = round(value)
    return minus(f"{rounded:+,d}") if rounded else "0"


def metrics_table(findings: Findings) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """(row, direction, query, the five metrics) for everything measured, chance first."""
    table = []
    for direction in DIRECTIONS:
        words = direction.replace("_", " ")
        table.append(("Guessing", words, "any", _chance_metrics(findings.chance, direction == "image_to_text")))
        for row in findings.rows:
            for query in QUERIES:
                if cell := row.direction(direction).cell(query):
                    texts = tuple(_figure(cell, metric, False) for metric in METRICS)
                    table.append((row.label, words, query, tuple(f"{t.mean} {t.deviation}".strip() for t in texts)))
    return table


def _chance_metrics(chance: RetrievalResult, image_to_text: bool) -> tuple[str, ...]:
    result = result_of(chance, DIRECTIONS[0] if image_to_text else DIRECTIONS[1])
    hits = (result.hit_at_1, result.hit_at_5, result.hit_at_10)
    return (*(f"{100 * hit:.1f}" for hit in hits), rank(result.median_rank), f"{result.mean_rank:,.1f}")
