"""From findings to plain sentences. A sentence is written because of its numbers, kind or unkind.

Nothing is said about protection where `claims` finds something missing: then the numbers stand by themselves.
"""

from mem_core.config import Frozen
from mem_core.config.methods import METHODS
from mem_core.report.claims import no_verdict
from mem_core.report.findings import Addition, EpochFinding, Findings, RowFinding
from mem_core.report.inputs import ReportInputs
from mem_core.report.intervals import Estimate, percent, with_interval
from mem_core.victim.metrics import DIRECTIONS

_AT_CHANCE = 0.9
_STRONG = 0.4  # of the way from clean to chance
_NEARLY_ALL = 0.75  # of the effect of the method, here and below
_PART = 0.35
_LITTLE = 0.1
_ABOUT = 0.03
_NOTHING = Estimate(value=0)


class Verdict(Frozen):
    """The headline, what supports it, and what speaks against it or limits it."""

    headline: str
    points: tuple[str, ...]
    cautions: tuple[str, ...]


def judge(inputs: ReportInputs, findings: Findings) -> Verdict:
    subject, clean = findings.row(findings.subject), findings.clean
    points = [_scale(findings, [row for row in (clean, subject) if row and row.measured])]
    if subject and not findings.missing:
        points += _controls(findings, subject)
        rivals = (row for row in findings.rows if row.kind == "method" and row.name != subject.name)
        points += [_rival(row, subject) for row in rivals if row.measured]
    return Verdict(
        headline=_headline(findings, subject, clean),
        points=tuple(points),
        cautions=(*_cautions(findings, subject), *_published(inputs)),
    )


def rank(value: float) -> str:
    """A median rank with its half, without a needless zero."""
    return f"{value:,.1f}".removesuffix(".0") if value < 1000 else f"{value:,.0f}"


def signed(value: float) -> str:
    """A difference in whole ranks or points with its sign."""
    rounded = round(value)
    return minus(f"{rounded:+,d}") if rounded else "0"


def minus(text: str) -> str:
    """A true minus sign in place of the hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def _headline(findings: Findings, subject: RowFinding | None, clean: RowFinding | None) -> str:
    if subject is None:
        return "No protected training set was measured: the page shows the rows below and claims nothing."
    if findings.missing or clean is None or findings.gain is None:
        return no_verdict(findings.missing)
    name, share, last = subject.label, subject.share, subject.last.share
    at_last = f" at the best epoch and {percent(last.value)} at the last" if last else ""
    without = with_interval(clean.share)
    reached = f"median rank at {with_interval(share)} of chance{at_last}, against {without} for clean data."
    way = (share.value - clean.share.value) / (1 - clean.share.value)
    if way < _LITTLE or not findings.gain.differs:
        return f"{name} does not protect: {reached}"
    if share.value >= _AT_CHANCE:
        return f"{name} brings retrieval down to about chance level: {reached}"
    if way >= _STRONG:
        return f"{name} weakens retrieval strongly but does not end it: {reached}"
    return f"{name} weakens retrieval only in part: {reached}"


def _scale(findings: Findings, rows: list[RowFinding]) -> str:
    """The median ranks behind the headline, weakest query each."""
    chance = " and ".join(rank(findings.chance.direction(direction).median_rank) for direction in DIRECTIONS)
    parts = [f"chance level {chance}"]
    for row in rows:
        last = f" (last epoch {_medians(row.last)})" if row.best else " (last epoch)"
        parts.append(f"{row.label} {_medians(row.counting)}{last}")
    return f"Median rank at the best epoch, image to text and text to image: {', '.join(parts)}."


def _medians(epoch: EpochFinding) -> str:
    found = [epoch.direction(direction) for direction in DIRECTIONS]
    cells = [finding.cell(finding.weakest) if finding.weakest else None for finding in found]
    return " and ".join(rank(cell.median_rank.mean) if cell else "an unknown rank" for cell in cells)


def _controls(findings: Findings, subject: RowFinding) -> list[str]:
    """A sentence for each control, strongest first; those that do nothing share one."""
    ordered = sorted(findings.additions, key=lambda addition: -(addition.control_part or _NOTHING).value)
    points, idle = [], []
    for addition in ordered:
        part = addition.control_part
        if part is not None and part.value < _LITTLE and not _drops_trigger(addition):
            idle.append(addition.control_label)
        else:
            points.append(_control(addition, subject))
    return [*points, f"Hardly any effect: {', '.join(idle)}."] if idle else points


def _drops_trigger(addition: Addition) -> bool:
    """Whether the control is its method without the trigger, as a trainer leaves it who drops trigger words."""
    row = METHODS[addition.control_method]
    return row.trigger != "none" and not row.publishes_trigger


def _control(addition: Addition, subject: RowFinding) -> str:
    control, difference = f"{addition.control_label} ({addition.isolates})", addition.share_difference
    if addition.control_part is None:
        way = "above" if difference.value >= 0 else "below"
        points = f"{abs(100 * difference.value):.0f} points"
        return f"In % of chance, the median rank of {subject.label} is {points} {way} that of {control}."
    part = addition.control_part.value
    if part >= 1:
        amount = f"as much as {subject.label} or more, {percent(part)} of its effect"
    elif part >= _NEARLY_ALL:
        amount = f"nearly as much as {subject.label}, {percent(part)} of its effect"
    elif part >= _PART:
        amount = f"a part, {percent(part)} of the effect of {subject.label}"
    elif part >= _LITTLE:
        amount = f"little, {percent(part)} of the effect of {subject.label}"
    else:
        amount = "hardly any effect"
    if _drops_trigger(addition) and part < _PART:
        amount += "; a trainer who drops the trigger words undoes most of the protection"
    if difference.differs is False:
        amount += f"; which of the two protects better is not certain ({_points(difference)})"
    return f"{control}: {amount}."


def _points(difference: Estimate) -> str:
    low, high = (signed(100 * end) for end in (difference.low or 0, difference.high or 0))
    return f"the difference is between {low} and {high} points"


def _rival(row: RowFinding, subject: RowFinding) -> str:
    reached = f"median rank at {with_interval(row.share)} of chance"
    if row.missing:
        return f"{row.label} cannot be compared ({reached}): {'; '.join(row.missing)}."
    difference = subject.share.value - row.share.value
    amount = "about as well" if abs(difference) < _ABOUT else "less" if difference > 0 else "better"
    return f"{row.label} protects {amount} ({reached})."


def _cautions(findings: Findings, subject: RowFinding | None) -> list[str]:
    cautions = []
    measured = [row for row in findings.rows if row.measured]
    if measured and min(row.seeds for row in measured) < 2:
        cautions.append(
            "Some rows come from one victim seed: their intervals cover other test images, but not another training."
        )
    if any(not row.last.image_to_text.prefixed for row in measured):
        cautions.append(
            "Some rows have no prefixed queries: a bare score also falls through the mere shift that a prefix causes."
        )
    if any(row.best is None for row in measured):
        cautions.append(
            "Some rows have no best epoch: a trainer who keeps the best one may retrieve more than their last shows."
        )
    if subject and findings.clean and _lopsided(subject, findings):
        cautions.append(
            f"{subject.label} does much better in one direction than in the other; the headline takes the worse one."
        )
    return cautions


def _lopsided(row: RowFinding, findings: Findings) -> bool:
    shares = []
    for direction in DIRECTIONS:
        found = row.counting.direction(direction)
        cell = found.cell(found.weakest) if found.weakest else None
        if cell:
            shares.append(cell.median_rank.mean / findings.chance.direction(direction).median_rank)
    return len(shares) == len(DIRECTIONS) and max(shares) - min(shares) > 0.25


def _published(inputs: ReportInputs) -> list[str]:
    cautions = []
    for status, words in (
        ("passthrough", "published UNPROTECTED (on_error: passthrough)"),
        ("failed", "not protected and left out of what is published"),
    ):
        counts = [(row.title, row.protected.counts.get(status, 0)) for row in inputs.rows if row.protected]
        named = [f"{count:,} of {title}" for title, count in counts if count]
        if named:
            cautions.append(f"Samples {words}: {', '.join(named)}.")
    return cautions
