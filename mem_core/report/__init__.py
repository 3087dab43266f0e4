"""Tables, figures, verdict and pages from results."""

from mem_core.report.gather import pick_samples, summarise_protection
from mem_core.report.inputs import EpochPoint, MontageItem, ProtectedSummary, ReportInputs, ReportRow
from mem_core.report.page import ReportSummary, build_report

__all__ = [
    "EpochPoint",
    "MontageItem",
    "ProtectedSummary",
    "ReportInputs",
    "ReportRow",
    "ReportSummary",
    "build_report",
    "pick_samples",
    "summarise_protection",
]
