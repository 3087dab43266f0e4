"""From findings to plain sentences. A sentence is written because of its numbers, kind or unkind."""

from mem_core.config import Frozen
from mem_core.config.methods import METHODS
from mem_core.report.findings import Addition, Findings, RowFinding
from mem_core.report.inputs import ReportInputs
from mem_core.victim.metrics import DIRECTIONS

_WEAK_VICTIM = 0.7  # a clean model this near to chance cannot show what protection takes away
_AT_CHANCE = 0.9
_STRONG = 0.4  # of the way from clean to chance
_NEARLY_ALL = 0.75  # of the effect of the method, here and below
_PART = 0.35
_LITTLE = 0.1


class Verdict(Frozen):
    """The headline, what supports it, and what speaks against it or limits it."""

    headline: str
    points: tuple[str, ...]
    cautions: tuple[str, ...]


def judge(inputs: ReportInputs, findings: Findings) -> Verdict:
    subject, clean = findings.row(findings.subject), findings.clean
    points = [_scale(findings, [row for row in (clean, subject) if row])]
    if subject:
        points += _controls(findings, subject)
        rivals = (row for row in findings.rows if row.kind == "method" and row.name != subject.name)
        points += [_rival(row, subject) for row in rivals if row.share_of_chance is not None]
    return Verdict(
        headline=_headline(subject, clean, findings.chance.image_to_text.queries),
        points=tuple(points),
        cautions=(*_cautions(findings, subject), *_published(inputs)),
    )


def too_weak(clean: float) -> bool:
    """Whether a victim of clean pairs is so near to chance that nothing beside it shows what protection takes away.

    The one rule of all pages that claim anything: report, stress test, certificate.
    """
    return clean >= _WEAK_VICTIM


def no_verdict(clean: float, images: int) -> str:
    """The sentence in place of a claim, where the clean victim is too weak; images: those it was queried on."""
    return (
        f"No verdict: the clean model is itself near chance (median rank at {percent(clean)} of chance on {images:,} "
        "test images), so nothing can be concluded."
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def rank(value: float) -> str:
    """A median rank with its half, without a needless zero."""
    return f"{value:,.1f}".removesuffix(".0") if value < 1000 else f"{value:,.0f}"


def _headline(subject: RowFinding | None, clean: RowFinding | None, images: int) -> str:
    if subject is None:
        return "No protected training set was measured: the page shows the rows below and claims nothing."
    name, reached = subject.label, f"median rank at {percent(subject.share)} of chance"
    if clean is None:
        return f"{name}: {reached}. Without a clean row there is nothing to compare it with."
    if too_weak(clean.share):
        return no_verdict(clean.share, images)
    reached = f"{reached}, against {percent(clean.share)} for clean data."
    way = (subject.share - clean.share) / (1 - clean.share)
    if way < _LITTLE:
        return f"{name} does not protect: {reached}"
    if subject.share >= _AT_CHANCE:
        return f"{name} brings retrieval down to about chance level: {reached}"
    if way >= _STRONG:
        return f"{name} weakens retrieval strongly but does not end it: {reached}"
    return f"{name} weakens retrieval only in part: {reached}"


def _scale(findings: Findings, rows: list[RowFinding]) -> str:
    """The median ranks behind the headline, weakest query each."""
    chance = " and ".join(rank(findings.chance.direction(direction).median_rank) for direction in DIRECTIONS)
    parts = [f"chance level {chance}"] + [f"{row.label} {_medians(row)}" for row in rows]
    return f"Median rank, image to text and text to image: {', '.join(parts)}."


def _medians(row: RowFinding) -> str:
    found = [row.direction(direction) for direction in DIRECTIONS]
    cells = [finding.cell(finding.weakest) if finding.weakest else None for finding in found]
    return " and ".join(rank(cell.median_rank.mean) if cell else "an unknown rank" for cell in cells)


def _controls(findings: Findings, subject: RowFinding) -> list[str]:
    """A sentence for each control, strongest first; those that do nothing share one."""
    ordered = sorted(findings.additions, key=lambda addition: -(addition.control_part or 0))
    points, idle = [], []
    for addition in ordered:
        part = addition.control_part
        if part is not None and part < _LITTLE and not _drops_trigger(addition):
            idle.append(addition.control_label)
        else:
            points.append(_control(addition, subject))
    return [*points, f"Hardly any effect: {', '.join(idle)}."] if idle else points


def _drops_trigger(addition: Addition) -> bool:
    """Whether the control is its method without the trigger, as a trainer leaves it who drops trigger words."""
    row = METHODS[addition.control_method]
    return row.trigger != "none" and not row.publishes_trigger


def _control(addition: Addition, subject: RowFinding) -> str:
    part, control = addition.control_part, f"{addition.control_label} ({addition.isolates})"
    if part is None:
        way = "above" if addition.share_difference >= 0 else "below"
        points = f"{abs(100 * addition.share_difference):.0f} points"
        return f"In % of chance, the median rank of {subject.label} is {points} {way} that of {control}."
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
    certain = [gap.certain for gap in addition.gaps]  # None where there is one seed and so nothing to doubt by
    if certain and None not in certain and not any(certain):
        amount += "; the difference is within the noise of the seeds"
    return f"{control}: {amount}."


def _rival(row: RowFinding, subject: RowFinding) -> str:
    difference = subject.share - row.share
    amount = "about as well" if abs(difference) < 0.03 else "less" if difference > 0 else "better"
    return f"{row.label} protects {amount} (median rank at {percent(row.share)} of chance)."


def _cautions(findings: Findings, subject: RowFinding | None) -> list[str]:
    cautions = []
    measured = [row for row in findings.rows if row.share_of_chance is not None]
    if subject and not findings.additions:
        cautions.append("No control was run, so nothing here tells what the noise adds to trigger words.")
    elif subject and not any(_only_words(addition) for addition in findings.additions):
        cautions.append(
            "No control with trigger words but without noise was run: the effect may be that of the trigger words."
        )
    if measured and min(row.seeds for row in measured) < 2:
        cautions.append(
            "Some rows come from one victim seed: how much they would differ for another is not known here."
        )
    if any(row.image_to_text.prefixed is None for row in measured):
        cautions.append(
            "Some rows have no prefixed queries: a bare score also falls through the mere shift that a prefix causes."
        )
    if subject and findings.clean and _lopsided(subject):
        cautions.append(
            f"{subject.label} does much better in one direction than in the other; the headline takes the worse one."
        )
    return cautions


def _only_words(addition: Addition) -> bool:
    """Whether the control has trigger words that tell images apart, and no noise."""
    row = METHODS[addition.control_method]
    return row.adds_trigger and row.trigger != "constant" and not row.adds_noise


def _lopsided(row: RowFinding) -> bool:
    shares = [row.direction(direction).share_of_chance for direction in DIRECTIONS]
    known = [share for share in shares if share is not None]
    return len(known) == len(DIRECTIONS) and max(known) - min(known) > 0.25


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
