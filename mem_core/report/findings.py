"""From the results of every row to the numbers of the page. Words are in `verdict`, looks in the template.

The headline number of a row is its *share of chance*: median rank over the median rank at chance level, taken at the
query that is worst for the protector (bare or prefixed, whichever gives the trainer the lower median rank), in the
worse direction. At 100 % the victim retrieves no better than chance.
"""

import math
from collections.abc import Sequence
from typing import Literal

from mem_core.config import Frozen, Method
from mem_core.config.methods import MEM, METHODS, Kind
from mem_core.report.inputs import ReportInputs, ReportRow
from mem_core.victim.metrics import DIRECTIONS, Direction, RetrievalResult, Spread, summarise_directions

Query = Literal["bare", "prefixed"]
QUERIES: tuple[Query, Query] = ("bare", "prefixed")


class MetricSpreads(Frozen):
    """The metrics of one direction under one kind of query, over seeds."""

    hit_at_1: Spread
    hit_at_5: Spread
    hit_at_10: Spread
    median_rank: Spread
    mean_rank: Spread


class DirectionFinding(Frozen):
    """One direction of one row; `weakest` names the query with the lower median rank, the one that counts."""

    bare: MetricSpreads | None
    prefixed: MetricSpreads | None
    weakest: Query | None
    share_of_chance: float | None

    def cell(self, query: Query) -> MetricSpreads | None:
        return self.bare if query == "bare" else self.prefixed


class RowFinding(Frozen):
    """A row of the table. `share_of_chance` is that of the weaker direction."""

    name: str
    label: str
    method: Method
    kind: Kind
    seeds: int
    image_to_text: DirectionFinding
    text_to_image: DirectionFinding
    share_of_chance: float | None

    @property
    def share(self) -> float:
        """`share_of_chance` of a row that was measured."""
        assert self.share_of_chance is not None
        return self.share_of_chance

    def direction(self, direction: Direction) -> DirectionFinding:
        return self.image_to_text if direction == "image_to_text" else self.text_to_image

    def cells(self, query: Query) -> list[MetricSpreads | None]:
        """Image to text, then text to image; None where it was not asked."""
        return [self.direction(direction).cell(query) for direction in DIRECTIONS]


class Gap(Frozen):
    """Median rank of the method less that of the control, like for like; positive: the method protects better."""

    direction: Direction
    query: Query
    difference: float
    standard_error: float | None

    @property
    def certain(self) -> bool | None:
        """Beyond two standard errors; None where there is one seed and so no error."""
        return None if self.standard_error is None else abs(self.difference) > 2 * self.standard_error


class Addition(Frozen):
    """What the method adds over one control. `control_part` is the control's way from clean to chance, in parts of
    the method's: 1.0 means that the control alone does as much."""

    method: str
    control: str
    control_label: str
    control_method: Method
    isolates: str
    gaps: tuple[Gap, ...]
    share_difference: float
    control_part: float | None


class Findings(Frozen):
    """All numbers of the page, as report.json has them."""

    chance: RetrievalResult
    rows: tuple[RowFinding, ...]
    subject: str | None
    additions: tuple[Addition, ...]

    def row(self, name: str | None) -> RowFinding | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def clean(self) -> RowFinding | None:
        """The row of clean data that the others are compared with: the first one that was measured."""
        return next((row for row in self.rows if row.kind == "clean" and row.share_of_chance is not None), None)


def compute_findings(inputs: ReportInputs) -> Findings:
    """Rows in the order clean, controls, methods; the method under test and what it adds over each control."""
    order: dict[Kind, int] = {"clean": 0, "control": 1, "method": 2}
    rows = tuple(sorted((_row(row, inputs.chance) for row in inputs.rows), key=lambda row: order[row.kind]))
    found = Findings(chance=inputs.chance, rows=rows, subject=None, additions=())
    measured = [row for row in rows if row.share_of_chance is not None]
    # the method that the page is about: the one asked for, else the first MEM row, else the first method
    methods = [row for row in measured if row.kind == "method"]
    subject = min(methods, key=lambda row: (row.name != inputs.pictures_of, row.method != MEM), default=None)
    if subject is None:
        return found
    additions = tuple(_addition(subject, row, found.clean) for row in measured if row.kind == "control")
    return found.model_copy(update={"subject": subject.name, "additions": additions})


def _row(row: ReportRow, chance: RetrievalResult) -> RowFinding:
    found = {direction: _direction(row, direction, chance) for direction in DIRECTIONS}
    shares = [finding.share_of_chance for finding in found.values() if finding.share_of_chance is not None]
    return RowFinding(
        name=row.name,
        label=row.title,
        method=row.method,
        kind=row.kind,
        seeds=max(len(row.bare), len(row.prefixed)),
        share_of_chance=min(shares, default=None),
        **found,
    )


def _direction(row: ReportRow, direction: Direction, chance: RetrievalResult) -> DirectionFinding:
    found: dict[Query, MetricSpreads] = {}
    for query in QUERIES:
        if results := getattr(row, query):
            found[query] = spreads_of(results, direction)
    weakest = min(found, key=lambda query: found[query].median_rank.mean, default=None)
    share = found[weakest].median_rank.mean / chance.direction(direction).median_rank if weakest else None
    return DirectionFinding(
        bare=found.get("bare"), prefixed=found.get("prefixed"), weakest=weakest, share_of_chance=share
    )


def spreads_of(results: Sequence[RetrievalResult], direction: Direction) -> MetricSpreads:
    """The metrics of one direction over the results of several seeds."""
    return MetricSpreads.model_validate(summarise_directions([result.direction(direction) for result in results]))


def _addition(method: RowFinding, control: RowFinding, clean: RowFinding | None) -> Addition:
    gaps = []
    for direction in DIRECTIONS:
        for query in QUERIES:
            ours, theirs = (row.direction(direction).cell(query) for row in (method, control))
            if ours and theirs:
                gaps.append(gap(direction, query, ours.median_rank, theirs.median_rank))
    return Addition(
        method=method.name,
        control=control.name,
        control_label=control.label,
        control_method=control.method,
        isolates=METHODS[control.method].isolates,
        gaps=tuple(gaps),
        share_difference=method.share - control.share,
        control_part=_way_from(clean, control, method) if clean else None,
    )


def _way_from(clean: RowFinding, row: RowFinding, method: RowFinding) -> float | None:
    """How far the row goes from clean to chance, in parts of the method's way; None if the method goes nowhere."""
    whole = method.share - clean.share
    return (row.share - clean.share) / whole if whole > 0.02 else None


def gap(direction: Direction, query: Query, ours: Spread, theirs: Spread) -> Gap:
    """The difference of two mean median ranks, with its standard error where both have several seeds."""
    error = None
    if ours.deviation is not None and theirs.deviation is not None:
        error = math.sqrt(ours.deviation**2 / ours.n + theirs.deviation**2 / theirs.n)
    return Gap(direction=direction, query=query, difference=ours.mean - theirs.mean, standard_error=error)
