"""From the results of every row to the numbers of the page. Words are in `verdict`, looks in the template.

The headline number of a row is its *share of chance*: median rank over the median rank of guessing, taken at the
query that is worst for the protector (bare or prefixed, whichever gives the trainer the lower median rank), in the
worse direction. 100 % means that the victim retrieves as if it guessed.
"""

import math
from collections.abc import Sequence
from typing import Literal

from mem_core.config import Frozen, Method
from mem_core.report.inputs import Kind, ReportInputs, ReportRow
from mem_core.victim.metrics import DirectionResult, RetrievalResult, Spread, summarise_directions

Direction = Literal["image_to_text", "text_to_image"]
Query = Literal["bare", "prefixed"]
DIRECTIONS: tuple[Direction, Direction] = ("image_to_text", "text_to_image")
QUERIES: tuple[Query, Query] = ("bare", "prefixed")

ISOLATES: dict[Method, str] = {
    "random-noise": "as large, not optimised, no words",
    "random-trigger": "each image its own, not optimised, no noise",
    "constant-trigger": "the same words in every caption: a mere shift of positions, or the mere loss of others",
    "noise-only": "what is left when the added words are dropped",
    "trigger-only": "the optimised words without the noise",
}


class Cell(Frozen):
    """The metrics of one direction under one kind of query, over seeds."""

    hit_at_1: Spread
    hit_at_5: Spread
    hit_at_10: Spread
    median_rank: Spread
    mean_rank: Spread


class DirectionFinding(Frozen):
    """One direction of one row; `weakest` names the query with the lower median rank, the one that counts."""

    bare: Cell | None
    prefixed: Cell | None
    weakest: Query | None
    share_of_chance: float | None

    def cell(self, query: Query) -> Cell | None:
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

    def direction(self, direction: Direction) -> DirectionFinding:
        return self.image_to_text if direction == "image_to_text" else self.text_to_image


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
    share_difference: float | None
    control_part: float | None


class Findings(Frozen):
    """All numbers of the page, as report.json has them."""

    chance: RetrievalResult
    rows: tuple[RowFinding, ...]
    subject: str | None
    additions: tuple[Addition, ...]

    def row(self, name: str | None) -> RowFinding | None:
        return next((row for row in self.rows if row.name == name), None)

    def of_method(self, method: Method) -> RowFinding | None:
        return next((row for row in self.rows if row.method == method and row.share_of_chance is not None), None)


def find(inputs: ReportInputs) -> Findings:
    """Rows in the order clean, controls, methods; the method under test and what it adds over each control."""
    order: dict[Kind, int] = {"clean": 0, "control": 1, "method": 2}
    rows = sorted((_row(row, inputs.chance) for row in inputs.rows), key=lambda row: order[row.kind])
    subject = _subject(rows, inputs.pictures_of)
    clean = next((row for row in rows if row.kind == "clean"), None)
    controls = [row for row in rows if row.kind == "control" and row.share_of_chance is not None]
    additions = [_addition(subject, control, clean) for control in controls] if subject else []
    return Findings(
        chance=inputs.chance,
        rows=tuple(rows),
        subject=subject.name if subject else None,
        additions=tuple(additions),
    )


def _subject(rows: Sequence[RowFinding], preferred: str) -> RowFinding | None:
    """The method the page is about: the one asked for, else the first mem row, else the first method."""
    methods = [row for row in rows if row.kind == "method" and row.share_of_chance is not None]
    ranked = sorted(methods, key=lambda row: (row.name != preferred, row.method != "mem"))
    return ranked[0] if ranked else None


def _row(row: ReportRow, chance: RetrievalResult) -> RowFinding:
    found = {direction: _direction(row, direction, chance) for direction in DIRECTIONS}
    shares = [finding.share_of_chance for finding in found.values() if finding.share_of_chance is not None]
    return RowFinding(
        name=row.name,
        label=row.title,
        method=row.method,
        kind=row.kind,
        seeds=max(len(row.bare), len(row.prefixed)),
        image_to_text=found["image_to_text"],
        text_to_image=found["text_to_image"],
        share_of_chance=min(shares, default=None),
    )


def _direction(row: ReportRow, direction: Direction, chance: RetrievalResult) -> DirectionFinding:
    cells = {
        query: _cell([result_of(result, direction) for result in results])
        for query, results in (("bare", row.bare), ("prefixed", row.prefixed))
    }
    medians = {query: cell.median_rank.mean for query in QUERIES if (cell := cells[query])}
    weakest = min(medians, key=medians.__getitem__, default=None)
    share = medians[weakest] / result_of(chance, direction).median_rank if weakest else None
    return DirectionFinding(bare=cells["bare"], prefixed=cells["prefixed"], weakest=weakest, share_of_chance=share)


def result_of(result: RetrievalResult, direction: Direction) -> DirectionResult:
    return result.image_to_text if direction == "image_to_text" else result.text_to_image


def _cell(results: Sequence[DirectionResult]) -> Cell | None:
    return Cell.model_validate(summarise_directions(results)) if results else None


def _addition(method: RowFinding, control: RowFinding, clean: RowFinding | None) -> Addition:
    gaps = []
    for direction in DIRECTIONS:
        for query in QUERIES:
            cell, control_cell = method.direction(direction).cell(query), control.direction(direction).cell(query)
            if cell and control_cell:
                gaps.append(gap(direction, query, cell.median_rank, control_cell.median_rank))
    ours, theirs = method.share_of_chance, control.share_of_chance
    return Addition(
        method=method.name,
        control=control.name,
        control_label=control.label,
        control_method=control.method,
        isolates=ISOLATES.get(control.method, ""),
        gaps=tuple(gaps),
        share_difference=ours - theirs if ours is not None and theirs is not None else None,
        control_part=way_to_chance(control, clean, method),
    )


def way_to_chance(row: RowFinding, clean: RowFinding | None, method: RowFinding) -> float | None:
    """How far the row goes from clean, in parts of the method's way; None if there is no clean row or no way."""
    if clean is None or clean.share_of_chance is None or row.share_of_chance is None or method.share_of_chance is None:
        return None
    whole = method.share_of_chance - clean.share_of_chance
    return (row.share_of_chance - clean.share_of_chance) / whole if whole > 0.02 else None


def gap(direction: Direction, query: Query, ours: Spread, theirs: Spread) -> Gap:
    """The difference of two mean median ranks, with its standard error where both have several seeds."""
    error = None
    if ours.deviation is not None and theirs.deviation is not None:
        error = math.sqrt(ours.deviation**2 / ours.n + theirs.deviation**2 / theirs.n)
    return Gap(direction=direction, query=query, difference=ours.mean - theirs.mean, standard_error=error)
