"""What the report's charts show, in words: for readers who hear a page, and where a picture is not drawn."""

from collections.abc import Sequence

from mem_core.data.image_quality import summarise_quality
from mem_core.report.findings import Findings
from mem_core.report.histograms import is_unchanged, not_drawn
from mem_core.report.inputs import ReportInputs, ReportRow
from mem_core.report.intervals import with_interval
from mem_core.report.verdict import rank


def shares_in_words(findings: Findings) -> str:
    """The number of every row of the chart of shares, in its order."""
    rows = (f"{row.label} {with_interval(row.share)}" for row in findings.rows if row.measured)
    return (
        "Median rank in percent of chance for each training set, with its 95 % interval; higher is better protected: "
        f"{', '.join(rows)}. The broken line is chance level, 100 %."
    )


def curves_in_words(inputs: ReportInputs) -> str:
    """Where every curve ends; of several seeds the first one."""
    ends = "; ".join(_end(row) for row in inputs.rows if any(row.history))
    return f"Lines over epochs: training loss, and test median ranks beside chance level. At their ends: {ends}."


def _end(row: ReportRow) -> str:
    point = next(history for history in row.history if history)[-1]
    values = (
        ("loss", None if point.loss is None else f"{point.loss:.2f}"),
        ("median rank image to text", _ranked(point.image_to_text_median_rank)),
        ("text to image", _ranked(point.text_to_image_median_rank)),
    )
    return f"{row.title} {', '.join(f'{name} {value}' for name, value in values if value is not None)}"


def _ranked(value: float | None) -> str | None:
    return None if value is None else rank(value)


def visibility_in_words(inputs: ReportInputs) -> str:
    """The median of every histogram, and which corpora have none."""
    rows = [f"{row.title} {_medians(row)}" for row in inputs.rows if not is_unchanged(row) and _medians(row)]
    said = f"Histograms of PSNR and SSIM over all protected samples. Medians: {'; '.join(rows)}."
    return f"{said} {not_drawn(inputs)}".rstrip()


def _medians(row: ReportRow) -> str:
    if row.protected is None:
        return ""
    psnr, ssim = (_median(values) for values in (row.protected.psnr, row.protected.ssim))
    found = ("" if psnr is None else f"PSNR {psnr:.1f} dB", "" if ssim is None else f"SSIM {ssim:.3f}")
    return " and ".join(text for text in found if text)


def _median(values: Sequence[float | None]) -> float | None:
    summary = summarise_quality(values)
    return summary.median if summary else None
