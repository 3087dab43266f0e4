"""Writes what a stress test found: stress.json, stress.png, and stress.html, one file that fetches nothing."""

import base64
import json
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import Field

from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.detectability.probe import Detectability
from mem_core.report.figures import png
from mem_core.report.verdict import no_verdict, too_weak
from mem_core.stress.figure import draw_stress
from mem_core.stress.findings import Shares, StressFindings, StressRow

PAGE, DATA, PICTURE = "stress.html", "stress.json", "stress.png"


class StressReport(Frozen):
    """Everything the page says. about: further lines, name -> text."""

    findings: StressFindings
    detectability: Detectability | None = None
    about: dict[str, str] = Field(default_factory=dict)


def write_report(out: Folder, report: StressReport) -> None:
    """Equal findings give equal bytes; the page is written last."""
    picture = png(draw_stress(report.findings))
    write_bytes(out, PICTURE, picture)
    write_bytes(out, DATA, (json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode())
    write_bytes(out, PAGE, render(report, picture).encode())


def render(report: StressReport, picture: bytes) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("mem_core.stress", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("stress.html.j2").render(
        report=report,
        headline=headline(report.findings),
        rows=[(row, cells(row)) for row in report.findings.rows],
        heads=HEADS,
        detected=detected(report.detectability) if report.detectability else {},
        picture="data:image/png;base64," + base64.b64encode(picture).decode(),
    )


HEADS = ("attack", "what a trainer gets", "bare", "prefixed", "clean pairs alone", "protection left")


def cells(row: StressRow) -> tuple[str, ...]:
    """The shares of a row in percent, as `HEADS` names them after the first."""
    clean = "\N{EN DASH}" if row.clean is None else _percent(row.clean, "worst")
    left = "\N{EN DASH}" if row.left is None else f"{100 * row.left:.0f} %"
    return (*(_percent(row.protected, which) for which in ("worst", "bare", "prefixed")), clean, left)


def headline(findings: StressFindings) -> str:
    """The worst case in a sentence, beside what there is without an attack; no claim where no clean victim shows it."""
    worst, published = findings.worst, findings.published
    share = f"{100 * worst.protected.worst.mean:.0f} % of guessing"
    clean = (published or worst).clean
    if clean is None:
        return f"{worst.label}: median rank {share}. Without a clean victim nothing says what that is worth."
    if too_weak(clean.worst.mean):
        return no_verdict(clean.worst.mean, findings.chance.image_to_text.queries)
    if published is None or worst is published:
        return f"No attack took protection below what it is as published: median rank {share}."
    before = f"{100 * published.protected.worst.mean:.0f} %"
    left = "" if worst.left is None else f"; {100 * worst.left:.0f} % of the protection is left"
    return f"Worst case: {worst.label}. The median rank falls from {before} to {share}{left}."


def markdown(findings: StressFindings) -> str:
    """The table for logs, artifacts and notes."""
    lines = [HEADS, ("---",) * len(HEADS), *((row.label, *cells(row)) for row in findings.rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def detected(found: Detectability) -> Mapping[str, str]:
    """What the detectability test says, name -> number in words."""
    return {
        "AUC of a linear classifier on the noise residual": f"{found.image_auc:.3f}",
        "AUC of a linear classifier on rare words": f"{found.text_auc:.3f}",
        "AUC of what the autoencoder takes out": f"{found.purifier_auc:.3f}",
        "noise before purification, levels of 1/255": f"{found.noise_before:.2f}",
        "noise after it": f"{found.noise_after:.2f}",
        "damage to clean pictures": f"{found.damage:.2f}",
        "learned from, judged on": f"{found.learned_from} and {found.judged_on} samples",
    }


def _percent(shares: Shares, which: str) -> str:
    spread = getattr(shares, which)
    deviation = "" if spread.deviation is None else f" ±{100 * spread.deviation:.0f}"
    return f"{100 * spread.mean:.0f}{deviation} %"
