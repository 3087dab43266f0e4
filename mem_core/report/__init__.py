"""The page that shows what protection did: `build_report(folder, inputs)`."""

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
