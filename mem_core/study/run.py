"""A whole study on one machine without a scheduler: as far as the time reaches, then further in the next call."""

import time
from collections.abc import Callable

from mem_core.common.progress import Checkpoint, Paused, Progress, carry_on, silent
from mem_core.study.cells import Cell
from mem_core.study.plan import StudyPlan
from mem_core.study.record import claim_folder
from mem_core.study.study import Study

Say = Callable[[str], None]


def time_limit(minutes: float | None) -> Checkpoint:
    """A checkpoint that pauses once so many minutes are over; None: never."""
    if minutes is None:
        return carry_on
    end = time.monotonic() + 60 * minutes

    def check() -> None:
        if time.monotonic() >= end:
            raise Paused

    return check


def prepare_all(study: Study, plan: StudyPlan, progress: Progress = silent) -> None:
    """The clean corpora that the plan needs; the one for each image holds the test pairs.

    Raises `DestinationError` if the folder is that of another scale.
    """
    claim_folder(study.folder, study.scale)
    kinds = {(cell.dataset, kind) for cell in plan.cells for kind in ("image", study.kind(study.row(cell.row)))}
    for dataset, kind in sorted(kinds):
        study.prepare(dataset, kind, progress)


def run_cell(
    study: Study, cell: Cell, say: Say, progress: Progress = silent, checkpoint: Checkpoint = carry_on
) -> None:
    """Protects what a cell is trained on, where that is still to be done, and measures it."""
    study.protect(cell.dataset, cell.row, progress, checkpoint)
    checkpoint()
    bare = study.measure(cell, progress, checkpoint).evaluation.bare
    medr = bare.image_to_text.median_rank, bare.text_to_image.median_rank
    say(f"{cell.name}: median rank {medr[0]:g} / {medr[1]:g}")


def run_study(
    study: Study,
    plan: StudyPlan,
    *,
    minutes: float | None = None,
    say: Say = lambda text: None,
    progress: Progress = silent,
) -> int:
    """Measures what is still to be measured, in the plan's order; returns how many cells are left."""
    checkpoint = time_limit(minutes)
    prepare_all(study, plan, progress)
    waiting = plan.waiting(study)
    done = 0
    try:
        for cell in waiting:
            checkpoint()
            run_cell(study, cell, say, progress, checkpoint)
            done += 1
    except Paused:
        say(f"paused: {done} cells measured now, {len(waiting) - done} are left; the same command goes on")
    return len(waiting) - done
