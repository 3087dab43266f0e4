"""The paper's tables and figures with their controls, at the scale of the machine; goes on where it was left."""

import time
from typing import Annotated

from flows.parameters import Dest, said
from flows.recorded import recorded
from mem_core.experiments.reproduce import StudyReport, StudyScale
from tasks.progress import say
from tasks.storage import address_below
from tasks.studying import StudyJob, measure_cell, prepare_study, write_study_report


def _told(report: StudyReport) -> str:
    return f"{report.done} of {report.total} cells measured"


@recorded("reproduce", run_name="reproduce at scale {scale.name} into {dest}", told=_told)
def reproduce(
    dest: Dest,
    scale: Annotated[StudyScale, said("Datasets, models, seeds and settings of the study.")],
    data: Annotated[str | None, said("Folder that holds flickr8k/, flickr30k/, coco/, ...")] = None,
    only: Annotated[tuple[str, ...], said("Experiments by name, as table1; none: all of them.")] = (),
    minutes: Annotated[float | None, said("Stop after so many; what is done is kept. None: go on to the end.")] = None,
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
