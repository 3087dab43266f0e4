"""The paper's tables and figures with their controls, at the scale of the machine; goes on where it was left."""

import time

from prefect import flow

from mem_core.experiments.reproduce import StudyReport, StudyScale
from tasks.progress import say
from tasks.storage import address_below
from tasks.studying import StudyJob, measure_cell, prepare_study, write_study_report


@flow(name="reproduce", flow_run_name="reproduce at scale {scale.name}")
def reproduce(
    dest: str,
    scale: StudyScale,
    data: str | None = None,
    only: tuple[str, ...] = (),
    minutes: float | None = None,
) -> StudyReport:
    """Measures cell by cell until all are there or the time is over, then writes DEST/report.

    Rows come first, further seeds after; a cell that the time did not reach goes on in the next call where it was.
    """
    started = time.monotonic()
    job = StudyJob(dest=dest, scale=scale, data=data, only=only)
    waiting = prepare_study(job)
    for done, cell in enumerate(waiting):
        left = None if minutes is None else minutes - (time.monotonic() - started) / 60
        if not measure_cell(job, cell, left):
            say(f"the time is over: {done} cells measured now, {len(waiting) - done} left; the same command goes on")
            break
    report = write_study_report(job)
    say(f"report: {address_below(dest, f'report/{report.page}')}")
    return report
