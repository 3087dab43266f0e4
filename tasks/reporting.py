"""The report about what a pipeline has left below one address."""

from mem_core.config import Frozen
from mem_core.experiments.config import RunConfig, write_run
from mem_core.experiments.run_report import report_run
from mem_core.report import ReportSummary
from tasks.options import step
from tasks.progress import say
from tasks.result_pages import show_report
from tasks.storage import address_below, open_folder


class ReportPlace(Frozen):
    """A finished report: its page by address, and what it says."""

    page: str
    summary: ReportSummary


@step("keep settings", run_name="keep settings of {dest}")
def keep_run(dest: str, config: RunConfig) -> bool:
    """Leaves the settings in DEST/run.json, for the report and for `status`. Returns whether there were none before."""
    return write_run(open_folder(dest), config)


@step("write report", run_name="report on {dest}")
def write_report(dest: str, config: RunConfig | None = None) -> ReportPlace:
    """Writes DEST/report from DEST/rows: the rows and seeds of the config, or of the pipeline's last run."""
    folder = open_folder(dest)
    summary = report_run(folder, config)
    out = folder.below("report")
    page = address_below(out.uri, summary.page)
    show_report(dest, summary)
    say(f"report: {page}")
    return ReportPlace(page=page, summary=summary)
