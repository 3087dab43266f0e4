"""The report on all victims of a pipeline."""

from prefect import flow

from mem_core.experiments.config import RunConfig
from tasks.reporting import ReportPlace, write_report


@flow(name="report", flow_run_name="report on {dest}")
def report(dest: str, config: RunConfig | None = None) -> ReportPlace:
    """Writes DEST/report: report.html, report.json and pictures. With a config, only of its rows and seeds."""
    return write_report(dest, config)
