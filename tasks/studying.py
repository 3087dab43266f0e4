"""The steps of a study as tasks: corpora, cells, page. What they do is in `mem_core.experiments.reproduce`."""

from mem_core.common.progress import Paused
from mem_core.config import Frozen
from mem_core.experiments.reproduce import Study, StudyReport, StudyScale, make_plan, write_study
from mem_core.experiments.reproduce.run import prepare_all, run_cell, time_limit
from mem_core.experiments.reproduce.scale import require_own
from mem_core.experiments.reproduce.study import StudyCell
from tasks.options import step
from tasks.progress import say, watched
from tasks.result_pages import show_study
from tasks.storage import open_folder


class StudyJob(Frozen):
    """One study. data: the folder of the datasets; only: names of experiments, none for all of them."""

    dest: str
    scale: StudyScale
    data: str | None = None
    only: tuple[str, ...] = ()


@step("prepare study", run_name="prepare study at scale {job.scale.name}")
def prepare_study(job: StudyJob) -> tuple[StudyCell, ...]:
    """Shards the datasets that the plan needs; returns the cells that are still to be measured, in order.

    Raises `DestinationError` before anything else if the folder is that of another scale.
    """
    study = _study(job)
    require_own(study.folder, study.scale)
    plan = make_plan(study, job.only)
    if job.data is not None and all(study.scale.draws(cell.dataset) for cell in plan.cells):
        say(f"--data is not used: scale {job.scale.name} draws all pictures that are wanted here")
    for sentence in plan.missing.values():
        say(f"left out: {sentence}")
    with watched("clean corpora") as progress:
        prepare_all(study, plan, progress)
    waiting = plan.waiting(study)
    say(f"{len(plan.cells) - len(waiting)} of {len(plan.cells)} cells are measured")
    return tuple(waiting)


@step("measure cell", run_name="measure {cell.name}", tags=("memshield-device",))
def measure_cell(job: StudyJob, cell: StudyCell, minutes: float | None) -> bool:
    """Protects what the cell is trained on, trains and queries; False if the time was over before it was done."""
    with watched(cell.name) as progress:
        try:
            run_cell(_study(job), cell, say, progress, time_limit(minutes))
        except Paused:
            return False
    return True


@step("write study", run_name="report of the study at scale {job.scale.name}")
def write_study_report(job: StudyJob) -> StudyReport:
    """The page on everything measured so far, in DEST/report."""
    study = _study(job)
    report = write_study(study, make_plan(study, job.only), study.folder.below("report"))
    show_study(job.dest, report)
    return report


def _study(job: StudyJob) -> Study:
    return Study(open_folder(job.dest), job.scale, job.data)
