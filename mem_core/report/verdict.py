"""From findings to plain sentences. A sentence is written because of its numbers, kind or unkind."""

from mem_core.config import Frozen
from mem_core.report.findings import DIRECTIONS, Addition, Findings, RowFinding
from mem_core.report.inputs import ReportInputs

_WEAK_VICTIM = 0.7  # a clean model this near to guessing cannot show what protection takes away
_AS_GUESSING = 0.9
_STRONG = 0.4  # of the way from clean to guessing
_NEARLY_ALL = 0.75  # of the effect of the method, here and below
_PART = 0.35
_LITTLE = 0.1


class Verdict(Frozen):
    """The headline, what supports it, and what speaks against it or limits it."""

    headline: str
    points: tuple[str, ...]
    cautions: tuple[str, ...]


def judge(inputs: ReportInputs, findings: Findings) -> Verdict:
    subject, clean = findings.row(findings.subject), findings.of_method("clean")
    points = [_scale(findings, clean, subject)]
    if subject:
        points += _controls(findings, subject)
        points += [_rival(row, subject) for row in _rivals(findings, subject)]
    return Verdict(
        headline=_headline(subject, clean, findings.chance.image_to_text.queries),
        points=tuple(point for point in points if point),
        cautions=tuple(_cautions(inputs, findings, subject, clean)),
    )


def too_weak(clean: float) -> bool:
    """Whether a victim of clean pairs is so near to guessing that nothing beside it shows what protection takes away.

    The one rule of all pages that claim anything: report, stress test, certificate.
    """
    return clean >= _WEAK_VICTIM


def no_verdict(clean: float, images: int) -> str:
    """The sentence in place of a claim, where the clean victim is too weak; images: those it was queried on."""
    return (
        f"No verdict: a model trained on clean data is itself at {percent(clean)} of guessing on {images:,} test "
        "images and has little to lose."
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def rank(value: float) -> str:
    """A median rank with its half, without a needless zero."""
    return f"{value:,.1f}".removesuffix(".0") if value < 1000 else f"{value:,.0f}"


def _headline(subject: RowFinding | None, clean: RowFinding | None, images: int) -> str:
    if subject is None or subject.share_of_chance is None:
        return "No protected training set was measured: the page shows the rows below and claims nothing."
    name, reached = subject.label, f"median rank at {percent(subject.share_of_chance)} of guessing"
    if clean is None or clean.share_of_chance is None:
        return f"{name}: {reached}. Without a clean row nothing says what that is worth."
    if too_weak(clean.share_of_chance):
        return no_verdict(clean.share_of_chance, images)
    reached = f"{reached}, against {percent(clean.share_of_chance)} for clean data."
    way = (subject.share_of_chance - clean.share_of_chance) / (1 - clean.share_of_chance)
    if way < _LITTLE:
        return f"{name} does not protect: {reached}"
    if subject.share_of_chance >= _AS_GUESSING:
        return f"{name} leaves retrieval about as good as guessing: {reached}"
    if way >= _STRONG:
        return f"{name} weakens retrieval strongly but does not end it: {reached}"
    return f"{name} weakens retrieval only in part: {reached}"


def _scale(findings: Findings, clean: RowFinding | None, subject: RowFinding | None) -> str:
    """The median ranks behind the headline, weakest query each."""
    guess = f"{rank(findings.chance.image_to_text.median_rank)} and {rank(findings.chance.text_to_image.median_rank)}"
    rows = [row for row in (clean, subject) if row is not None and row.share_of_chance is not None]
    parts = [f"guessing {guess}"] + [f"{row.label} {_medians(row)}" for row in rows]
    return f"Median rank, image to text and text to image: {', '.join(parts)}."


def _medians(row: RowFinding) -> str:
    found = [row.direction(direction) for direction in DIRECTIONS]
    cells = [finding.cell(finding.weakest) if finding.weakest else None for finding in found]
    return " and ".join(rank(cell.median_rank.mean) if cell else "an unknown rank" for cell in cells)


def _controls(findings: Findings, subject: RowFinding) -> list[str]:
    """A sentence for each control, strongest first; those that do nothing share one."""
    ordered = sorted(findings.additions, key=lambda addition: -(addition.control_part or 0))
    idle = [
        a for a in ordered if a.control_method != "noise-only" and (p := a.control_part) is not None and p < _LITTLE
    ]
    points = [_control(addition, subject) for addition in ordered if addition not in idle]
    if idle:
        names = ", ".join(addition.control_label for addition in idle)
        points.append(f"Hardly any effect: {names}.")
    return points


def _control(addition: Addition, subject: RowFinding) -> str:
    part = addition.control_part
    if part is None:
        return _control_without_scale(addition)
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
    if addition.control_method == "noise-only" and part < _PART:
        amount += "; a trainer who drops the added words undoes most of the protection"
    return f"{addition.control_label} ({addition.isolates}): {amount}{_seed_doubt(addition)}."


def _control_without_scale(addition: Addition) -> str:
    difference = addition.share_difference
    if difference is None:
        return ""
    way = "above" if difference >= 0 else "below"
    points = f"{abs(100 * difference):.0f} points of guessing"
    return f"The method stands {points} {way} {addition.control_label} ({addition.isolates})."


def _seed_doubt(addition: Addition) -> str:
    """Said only where seeds allow it: none of the differences is beyond two standard errors."""
    certain = [gap.certain for gap in addition.gaps]
    if certain and None not in certain and not any(certain):
        return "; the difference is within the noise of the seeds"
    return ""


def _rivals(findings: Findings, subject: RowFinding) -> list[RowFinding]:
    return [row for row in findings.rows if row.kind == "method" and row.name != subject.name]


def _rival(row: RowFinding, subject: RowFinding) -> str:
    if row.share_of_chance is None or subject.share_of_chance is None:
        return ""
    difference = subject.share_of_chance - row.share_of_chance
    if abs(difference) < 0.03:
        return f"{row.label} protects about as well ({percent(row.share_of_chance)} of guessing)."
    word = "less" if difference > 0 else "better"
    return f"{row.label} protects {word} ({percent(row.share_of_chance)} of guessing)."


def _cautions(
    inputs: ReportInputs, findings: Findings, subject: RowFinding | None, clean: RowFinding | None
) -> list[str]:
    cautions = []
    measured = [row for row in findings.rows if row.share_of_chance is not None]
    if subject and not findings.additions:
        cautions.append("No control was run, so nothing here tells what the noise adds over words alone.")
    elif subject and not {"random-trigger", "trigger-only"} & {
        addition.control_method for addition in findings.additions
    }:
        cautions.append("No control with words but without noise was run: the effect may be that of the words alone.")
    if measured and min(row.seeds for row in measured) < 2:
        cautions.append(
            "Some rows come from one victim seed: how much they would differ for another is not known here."
        )
    if any(row.image_to_text.prefixed is None for row in measured):
        cautions.append(
            "Some rows have no prefixed queries: a bare score also falls through the mere shift that a prefix causes."
        )
    if subject and clean and _lopsided(subject):
        cautions.append(
            f"{subject.label} does much better in one direction than in the other; the headline takes the worse one."
        )
    return cautions + _published(inputs)


def _lopsided(row: RowFinding) -> bool:
    shares = [row.direction(direction).share_of_chance for direction in DIRECTIONS]
    return None not in shares and max(s or 0 for s in shares) - min(s or 0 for s in shares) > 0.25


def _published(inputs: ReportInputs) -> list[str]:
    cautions = []
    for status, words in (
        ("passthrough", "published UNPROTECTED (--on-error passthrough)"),
        ("failed", "not protected and left out of what is published"),
    ):
        counts = [(row.title, row.protected.counts.get(status, 0)) for row in inputs.rows if row.protected]
        named = [f"{count:,} of {title}" for title, count in counts if count]
        if named:
            cautions.append(f"Samples {words}: {', '.join(named)}.")
    return cautions
