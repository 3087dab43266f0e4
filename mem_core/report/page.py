"""Writes the report: report.html (one file, nothing fetched, no script), report.json, pictures/*.png."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import yaml

from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.data.image_quality import summarise_quality
from mem_core.report.alt_texts import curves_in_words, shares_in_words, visibility_in_words
from mem_core.report.figures import Styles, draw_curves, png
from mem_core.report.findings import Findings, compute_findings
from mem_core.report.histograms import draw_histograms
from mem_core.report.inputs import ReportInputs, ReportRow
from mem_core.report.pictures import AMPLIFY, contact_sheet
from mem_core.report.share_chart import draw_shares
from mem_core.report.tables import all_metrics
from mem_core.report.templates import filled_page
from mem_core.report.verdict import Verdict, judge
from mem_core.victim.metrics import without_draws


class ReportSummary(Frozen):
    """What a caller shows of a finished report; names are relative to its folder."""

    page: str
    data: str
    pictures: tuple[str, ...]
    verdict: Verdict
    findings: Findings


def build_report(folder: Folder, inputs: ReportInputs) -> ReportSummary:
    """Writes the page, its numbers and its pictures into the folder; equal inputs give equal bytes.

    The page is written last, so a folder that has one has everything.
    """
    findings = compute_findings(inputs)
    verdict = judge(inputs, findings)
    pictures = draw_pictures(inputs, findings)
    for name, data in pictures.items():
        write_bytes(folder, name, data)
    write_bytes(folder, "report.json", report_json(inputs, findings, verdict, pictures))
    write_bytes(folder, "report.html", render_page(inputs, findings, verdict, pictures))
    return ReportSummary(
        page="report.html", data="report.json", pictures=tuple(pictures), verdict=verdict, findings=findings
    )


def draw_pictures(inputs: ReportInputs, findings: Findings) -> dict[str, bytes]:
    """Name -> PNG of every picture there is data for."""
    charts = draw_charts(inputs, findings)
    sheets = {"pictures/montage.png": inputs.montage, "pictures/worst.png": inputs.worst}
    return charts | {name: contact_sheet(items) for name, items in sheets.items() if items}


def draw_charts(inputs: ReportInputs, findings: Findings, *, narrow: bool = False) -> dict[str, bytes]:
    """Name -> PNG; narrow: as a phone shows it, in the page alone."""
    styles = Styles(inputs.rows)
    figures = {
        "pictures/shares.png": draw_shares(findings, styles, narrow=narrow),
        "pictures/curves.png": draw_curves(inputs, styles, narrow=narrow),
        "pictures/visibility.png": draw_histograms(inputs, styles, narrow=narrow),
    }
    return {name: png(figure) for name, figure in figures.items() if figure}


def report_json(inputs: ReportInputs, findings: Findings, verdict: Verdict, pictures: Mapping[str, bytes]) -> bytes:
    """Everything on the page but pixels and the visibility of single samples, as canonical JSON."""
    data = {
        "format": 2,
        "title": inputs.title,
        "subtitle": inputs.subtitle,
        "verdict": verdict.model_dump(mode="json"),
        "findings": findings.model_dump(mode="json"),
        "rows": [_json_row(row) for row in inputs.rows],
        "samples": {"montage": [item.key for item in inputs.montage], "worst": [item.key for item in inputs.worst]},
        "config": inputs.config,
        "versions": inputs.versions,
        "environment": inputs.environment,
        "links": inputs.links,
        "notes": inputs.notes,
        "pictures": {name: hashlib.sha256(data).hexdigest() for name, data in pictures.items()},
    }
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n").encode()


def _json_row(row: ReportRow) -> dict[str, Any]:
    """A row without bootstrap draws: the findings have the intervals."""
    plain: dict[str, Any] = without_draws(row.model_dump(mode="json"))
    return plain | {"protected": _corpus_line(row)}


def _corpus_line(row: ReportRow) -> dict[str, Any] | None:
    """A protected corpus on one line: its summary, with how PSNR and SSIM are spread in place of every sample's."""
    if row.protected is None:
        return None
    quality = {name: summarise_quality(getattr(row.protected, name)) for name in ("psnr", "ssim")}
    spread = {name: summary.model_dump() if summary else None for name, summary in quality.items()}
    return row.protected.model_dump(mode="json") | spread | {"name": row.name, "label": row.title}


def render_page(inputs: ReportInputs, findings: Findings, verdict: Verdict, pictures: Mapping[str, bytes]) -> bytes:
    """The HTML of the page, every picture inside it."""
    summaries = [line for row in inputs.rows if (line := _corpus_line(row))]
    return filled_page(
        "report/report.html.j2",
        inputs=inputs,
        findings=findings,
        verdict=verdict,
        metrics=all_metrics(findings),
        summaries=summaries,
        pictured=next((row.title for row in inputs.rows if row.name == inputs.pictures_of), ""),
        figures=pictures,
        narrow=draw_charts(inputs, findings, narrow=True),
        alts={
            "shares": shares_in_words(findings),
            "curves": curves_in_words(inputs),
            "visibility": visibility_in_words(inputs),
        },
        styles=Styles(inputs.rows),
        amplify=AMPLIFY,
        config=yaml.safe_dump(inputs.config, sort_keys=False, allow_unicode=True) if inputs.config else "",
        links={text: address for text, address in inputs.links.items() if _harmless(address)},
    )


def _harmless(address: str) -> bool:
    """Links to pages and files only: titles and captions come from data, and so may addresses."""
    scheme, colon, _ = address.partition(":")
    return not colon or scheme.lower() in ("http", "https", "file", "s3") or "/" in scheme
