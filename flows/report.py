"""The report on all victims of a pipeline."""

from typing import Annotated

from flows.parameters import said
from flows.recorded import recorded
from mem_core.experiments.config import RunConfig
from tasks.reporting import ReportPlace, write_report


@recorded("report", run_name="report on {dest}", told=lambda place: place.summary.verdict.headline)
def report(
    dest: Annotated[str, said("A pipeline's destination.")],
    config: Annotated[RunConfig | None, said("Report on its rows and seeds alone. None: on all.")] = None,
) -> ReportPlace:
    """Writes DEST/report: report.html, report.json and pictures. With a config, only of its rows and seeds."""
    return write_report(dest, config)
