"""From the results of every row to the numbers of the page. Words are in `verdict`, looks in the template.

What a number is and how sure it is, and what a claim takes, is said in `claims`. Every row has its last and its best
epoch; wherever one number stands for a row it is that of the best epoch, or of the last where no best one is known.
"""

from collections.abc import Sequence

import numpy as np

from mem_core.config import Frozen, Method
from mem_core.config.methods import MEM, METHODS, Kind
from mem_core.report.claims import Victims, missing_controls, missing_for, unlike
from mem_core.report.inputs import ReportInputs, ReportRow
from mem_core.report.intervals import QUERIES, AtEpoch, Draws, Estimate, Query, Sampled, combined
from mem_core.victim.metrics import DIRECTIONS, Direction, RetrievalResult, Spread, summarise_directions

_WHOLE = 0.02  # of the way from clean to chance: below it nothing can be measured by the method's effect


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

    def cell(self, query: Query) -> MetricSpreads | None:
        return self.bare if query == "bare" else self.prefixed


class EpochFinding(Frozen):
    """A row at one epoch. share: of chance, in the direction and at the query that are worst for protection."""

    image_to_text: DirectionFinding
    text_to_image: DirectionFinding
    share: Estimate | None

    def direction(self, direction: Direction) -> DirectionFinding:
        return self.image_to_text if direction == "image_to_text" else self.text_to_image

    def cells(self, query: Query) -> list[MetricSpreads | None]:
        """Image to text, then text to image; None where it was not asked."""
        return [self.direction(direction).cell(query) for direction in DIRECTIONS]


class RowFinding(Frozen):
    """A row of the table. best: None where no best epoch is known; epochs: which one it was, by seed.

    clean: the row of clean data that it is compared with; missing: what a claim about it lacks, controls aside.
    """

    name: str
    label: str
    method: Method
    kind: Kind
    seeds: int
    last: EpochFinding
    best: EpochFinding | None
    epochs: tuple[int, ...] = ()
    clean: str = ""
    missing: tuple[str, ...] = ()

    @property
    def counting(self) -> EpochFinding:
        """What a trainer has: the best epoch, and the last one where no best is known."""
        return self.best or self.last

    @property
    def measured(self) -> bool:
        return self.counting.share is not None

    @property
    def share(self) -> Estimate:
        """The share of chance that counts, of a row that was measured."""
        assert self.counting.share is not None
        return self.counting.share


class Gap(Frozen):
    """Median rank of the method less that of the control, like for like; positive: the method protects better."""

    direction: Direction
    query: Query
    difference: Estimate


class Addition(Frozen):
    """What the method adds over one control. `control_part` is the control's way from clean to chance, in parts of
    the method's: 1.0 means that the control alone does as much."""

    method: str
    control: str
    control_label: str
    control_method: Method
    isolates: str
    gaps: tuple[Gap, ...]
    share_difference: Estimate
    control_part: Estimate | None


class Findings(Frozen):
    """All numbers of the page, as report.json has them.

    missing: what a claim about the subject lacks; gain: its share of chance less that of clean data.
    """

    chance: RetrievalResult
    rows: tuple[RowFinding, ...]
    subject: str | None = None
    missing: tuple[str, ...] = ()
    gain: Estimate | None = None
    additions: tuple[Addition, ...] = ()

    def row(self, name: str | None) -> RowFinding | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def clean(self) -> RowFinding | None:
        """The row of clean data that the subject is compared with, or the first one that was measured."""
        subject = self.row(self.subject)
        named = self.row(subject.clean) if subject else None
        return named or next((row for row in self.rows if row.kind == "clean" and row.measured), None)


def compute_findings(inputs: ReportInputs) -> Findings:
    """Rows in the order clean, controls, methods; the method under test and what it adds over each control."""
    order: dict[Kind, int] = {"clean": 0, "control": 1, "method": 2}
    given = sorted(inputs.rows, key=lambda row: order[row.kind])
    victims = {row.name: row.victims(inputs.chance) for row in given}
    rows = tuple(_row(row, given, victims) for row in given)
    found = Findings(chance=inputs.chance, rows=rows)
    measured = [row for row in rows if row.measured]
    # the method that the page is about: the one asked for, else the first MEM row, else the first method
    methods = [row for row in measured if row.kind == "method"]
    subject = min(methods, key=lambda row: (row.name != inputs.pictures_of, row.method != MEM), default=None)
    if subject is None:
        return found
    ours, clean = victims[subject.name], victims.get(subject.clean)
    controls = [
        row
        for row in measured
        if row.kind == "control" and not unlike(ours.trained, victims[row.name].trained, "control")
    ]
    gain = None if clean is None else _minus(ours.share, clean.share)
    return found.model_copy(
        update={
            "subject": subject.name,
            "missing": (*subject.missing, *missing_controls(subject.method, [row.method for row in controls])),
            "gain": gain.estimate() if gain else None,
            "additions": tuple(_addition(subject, row, victims, clean) for row in controls),
        }
    )


def _row(row: ReportRow, rows: Sequence[ReportRow], victims: dict[str, Victims]) -> RowFinding:
    ours = victims[row.name]
    clean = None if row.kind == "clean" else _clean_of(ours, rows, victims)
    return RowFinding(
        name=row.name,
        label=row.title,
        method=row.method,
        kind=row.kind,
        seeds=max(len(row.bare), len(row.prefixed)),
        last=epoch_finding(ours.last, ours.chance),
        best=epoch_finding(ours.best, ours.chance) if ours.best else None,
        epochs=tuple(one.epoch for one in row.best),
        clean=clean.name if clean else "",
        missing=() if row.kind == "clean" else missing_for(ours, victims[clean.name] if clean else None),
    )


def _clean_of(ours: Victims, rows: Sequence[ReportRow], victims: dict[str, Victims]) -> ReportRow | None:
    """The clean row whose victims were trained alike, else the first one that was measured."""
    clean = [row for row in rows if row.kind == "clean" and victims[row.name].share is not None]
    alike = (row for row in clean if not unlike(ours.trained, victims[row.name].trained))
    return next(alike, clean[0] if clean else None)


def epoch_finding(at: AtEpoch, chance: RetrievalResult) -> EpochFinding:
    """The figures of a training set at one epoch, with the interval of its share of chance."""
    found = {direction: _direction(at, direction) for direction in DIRECTIONS}
    share = at.share(chance)
    return EpochFinding(share=share.estimate() if share else None, **found)


def _direction(at: AtEpoch, direction: Direction) -> DirectionFinding:
    found = {query: spreads_of(getattr(at, query), direction) for query in at.asked()}
    weakest = min(found, key=lambda query: found[query].median_rank.mean, default=None)
    return DirectionFinding(bare=found.get("bare"), prefixed=found.get("prefixed"), weakest=weakest)


def spreads_of(results: Sequence[RetrievalResult], direction: Direction) -> MetricSpreads:
    """The metrics of one direction over the results of several seeds."""
    return MetricSpreads.model_validate(summarise_directions([result.direction(direction) for result in results]))


def _addition(method: RowFinding, control: RowFinding, victims: dict[str, Victims], clean: Victims | None) -> Addition:
    ours, theirs = victims[method.name], victims[control.name]
    difference = _minus(ours.share, theirs.share)
    assert difference is not None  # both were measured
    return Addition(
        method=method.name,
        control=control.name,
        control_label=control.label,
        control_method=control.method,
        isolates=METHODS[control.method].isolates,
        gaps=tuple(gaps(ours.counting, theirs.counting)),
        share_difference=difference.estimate(),
        control_part=_part_of(clean.share, theirs.share, ours.share) if clean else None,
    )


def _minus(ours: Sampled | None, theirs: Sampled | None) -> Sampled | None:
    return combined(np.subtract, ours, theirs) if ours and theirs else None


def _part_of(clean: Sampled | None, row: Sampled | None, method: Sampled | None) -> Estimate | None:
    """How far the row goes from clean to chance, in parts of the method's way; None if the method goes nowhere."""
    if clean is None or row is None or method is None or method.value - clean.value <= _WHOLE:
        return None
    return combined(_part, clean, row, method).estimate()


def _part(clean: Draws, row: Draws, method: Draws) -> Draws:
    """Without an end in draws in which the method goes nowhere: they then give no interval."""
    whole = np.asarray(method) - clean
    found: Draws = (row - clean) / np.where(whole > _WHOLE, whole, np.nan)
    return found


def gaps(ours: AtEpoch, theirs: AtEpoch) -> list[Gap]:
    """The difference of two median ranks in each direction and at each query that both were asked."""
    asked = [query for query in QUERIES if query in ours.asked() and query in theirs.asked()]
    return [
        Gap(direction=direction, query=query, difference=combined(np.subtract, *medians).estimate())
        for direction in DIRECTIONS
        for query in asked
        for medians in [[at.median(direction, query) for at in (ours, theirs)]]
    ]
