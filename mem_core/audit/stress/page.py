"""Writes what a stress test found: stress.json, stress.png, and stress.html, one file that fetches nothing."""

import json
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from mem_core.audit.detectability import Detectability
from mem_core.audit.stress.attacks import AS_PUBLISHED, STOP_EARLY
from mem_core.audit.stress.findings import StressFindings, StressRow
from mem_core.common.formatting import markdown_table
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.report.claims import can_be_judged, no_verdict, unjudged
from mem_core.report.figures import INK, RULE, SOFT, bare_axes, png
from mem_core.report.intervals import percent, with_interval
from mem_core.report.page import filled_page

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
    page = filled_page(
        "stress.html.j2",
        __package__,
        report=report,
        headline=stress_headline(report.findings),
        rows=[(row, stress_cells(row)) for row in report.findings.rows],
        heads=STRESS_HEADER,
        detected=detected(report.detectability) if report.detectability else {},
        reasons=reasons(report.findings),
        picture=picture,
    )
    write_bytes(out, STRESS_PAGE, page)


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


_ACCENT, _CLEAN = "#d1480a", "#727a86"


def draw_stress(findings: StressFindings) -> Figure:
    """A row an attack: a filled dot for victims of protected pairs at their weaker query, open ones for both queries,
    a bar for the victims of only clean pairs beside them. What lies from the bar up to the dot is what is left. A short
    stroke is what counts at the last epoch, the band behind a filled dot its interval."""
    rows = findings.rows
    figure = Figure(figsize=(10.4, 1.1 + 0.34 * len(rows)))
    height = figure.get_figheight()
    axes = figure.add_axes((0.33, 0.65 / height, 0.62, 1 - 1.1 / height))
    bare_axes(axes)
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    axes.axvline(100, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate("chance", (100, -0.75), ha="center", va="bottom", fontsize=8.5, color=INK, annotation_clip=False)
    for place, row in enumerate(rows):
        _draw_row(axes, place, row)
    axes.set_xlim(0, max(108.0, 104 * max(_furthest(row) for row in rows)))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=9, color=INK)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.name in (AS_PUBLISHED, STOP_EARLY) else "normal")
    axes.set_xlabel(
        "median rank in % of chance, worse direction, at the best epoch; grey strokes: clean pairs only\n"
        "dots: protected (filled: the query that counts, with its interval), thin strokes: the same at the last epoch",
        fontsize=8,
        color=SOFT,
    )
    return figure


def _furthest(row: StressRow) -> float:
    shares = row.protected.counting
    return max(share.high or share.value for share in (shares.bare, shares.prefixed, shares.worst))


def _draw_row(axes: Axes, place: int, row: StressRow) -> None:
    shares = row.protected.counting
    low, high = (100 * value for value in sorted((shares.bare.value, shares.prefixed.value)))
    if row.clean is not None:
        clean = 100 * row.clean.counting.worst.value
        axes.plot([clean, clean], [place - 0.26, place + 0.26], color=_CLEAN, linewidth=2.2, zorder=2)
    right = high
    if shares.worst.low is not None and shares.worst.high is not None:
        band = [100 * shares.worst.low, 100 * shares.worst.high]
        axes.plot(band, [place, place], color=_ACCENT, linewidth=5, alpha=0.25, solid_capstyle="butt")
        right = max(right, band[1])
    if row.protected.best is not None:
        last = 100 * row.protected.last.worst.value
        axes.plot([last, last], [place - 0.2, place + 0.2], color=_ACCENT, linewidth=1.4, zorder=2)
    axes.plot([low, high], [place, place], color=_ACCENT, linewidth=1.2, alpha=0.5, zorder=2)
    axes.plot([high], [place], "o", color=_ACCENT, markerfacecolor="white", markersize=5, zorder=3)
    axes.plot([low], [place], "o", color=_ACCENT, markersize=7.5, zorder=3)
    axes.annotate(
        f"{low:.0f} %",
        (right, place),
        (9, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        fontsize=9,
        color=_ACCENT,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )
