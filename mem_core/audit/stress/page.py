"""Writes what a stress test found: stress.json, stress.png, and stress.html, one file that fetches nothing."""

import json
from collections.abc import Mapping

from pydantic import Field

from mem_core.audit.detectable import Detectability
from mem_core.audit.stress.chart import draw_stress, stress_in_words
from mem_core.audit.stress.findings import StressFindings, StressRow
from mem_core.common.formatting import markdown_table
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.report.claims import can_be_judged, no_verdict, unjudged
from mem_core.report.figures import png
from mem_core.report.intervals import percent, with_interval
from mem_core.report.templates import filled_page

STRESS_PAGE = "stress.html"


class StressReport(Frozen):
    """Everything the page says. about: further lines, name -> text."""

    findings: StressFindings
    detectability: Detectability | None = None
    about: dict[str, str] = Field(default_factory=dict)


def write_stress(out: Folder, report: StressReport) -> None:
    """Equal findings give equal bytes; the page is written last."""
    picture = png(draw_stress(report.findings))
    write_bytes(out, "stress.png", picture)
    write_bytes(
        out, "stress.json", (json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode()
    )
    write_bytes(out, STRESS_PAGE, stress_page(report, picture))


def stress_page(report: StressReport, picture: bytes) -> bytes:
    """The HTML of the page. picture: `draw_stress` as a PNG."""
    return filled_page(
        "audit/stress/stress.html.j2",
        report=report,
        headline=stress_headline(report.findings),
        rows=[(row, stress_cells(row)) for row in report.findings.rows],
        heads=STRESS_HEADER,
        detected=detected(report.detectability) if report.detectability else {},
        reasons=reasons(report.findings),
        picture=picture,
        narrow=png(draw_stress(report.findings, narrow=True)),
        alt=stress_in_words(report.findings),
    )


STRESS_HEADER = (
    "attack",
    "last epoch",
    "best epoch",
    "bare / prefixed",
    "clean pairs only",
    "protection left",
)


def stress_cells(row: StressRow) -> tuple[str, ...]:
    """The shares of a row in percent, as `STRESS_HEADER` names them after the first."""
    nothing, counting = "\N{EN DASH}", row.protected.counting
    best = with_interval(row.protected.best.worst) if row.protected.best else nothing
    queries = f"{percent(counting.bare.value)} / {percent(counting.prefixed.value)}"
    clean = nothing if row.clean is None else with_interval(row.clean.counting.worst)
    left = nothing if row.left is None or row.missing else with_interval(row.left)
    return (with_interval(row.protected.last.worst), best, queries, clean, left)


def stress_headline(findings: StressFindings) -> str:
    """The worst case in a sentence, beside what there is without an attack; no claim where nothing can be judged."""
    judged, published = findings.judged, findings.published
    of_all = can_be_judged(len(judged), len(findings.rows))
    if not judged:
        return f"{no_verdict((published or findings.rows[0]).missing)} {of_all}."
    worst = judged[0]
    share = f"{with_interval(worst.protected.counting.worst)} of chance"
    left = "" if worst.left is None else f"; {with_interval(worst.left)} of the protection is left"
    if published is None or published.missing:
        return f"Worst case: {worst.label}. The median rank is at {share}{left}. {of_all}."
    if worst is published:
        none = "No attack" if len(judged) == len(findings.rows) else "None of the attacks that can be judged"
        return f"{none} took protection below what it is as published: median rank at {share}. {of_all}."
    before = with_interval(published.protected.counting.worst)
    return f"Worst case: {worst.label}. The median rank falls from {before} to {share}{left}. {of_all}."


def reasons(findings: StressFindings) -> Mapping[str, str]:
    """The labels of rows that cannot be judged -> why."""
    return unjudged((row.label, row.missing) for row in findings.rows)


def stress_markdown(findings: StressFindings) -> str:
    """The table for logs, artifacts and notes."""
    return markdown_table(STRESS_HEADER, [(row.label, *stress_cells(row)) for row in findings.rows])


def detected(found: Detectability) -> Mapping[str, str]:
    """What the detectability test says, name -> number in words."""
    return {
        "AUC of a linear classifier on the noise residual": f"{found.image_auc:.3f}",
        "AUC of a linear classifier on rare words": f"{found.text_auc:.3f}",
        "AUC of what the autoencoder removes": f"{found.purifier_auc:.3f}",
        "noise before purification, uint8 levels": f"{found.noise_before:.2f}",
        "noise after it": f"{found.noise_after:.2f}",
        "change of clean images, uint8 levels": f"{found.damage:.2f}",
        "samples trained on, tested on": f"{found.learned_from} and {found.judged_on} samples",
    }
