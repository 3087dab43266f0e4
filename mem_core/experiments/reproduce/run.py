"""A whole study on one machine without a scheduler: as far as the time reaches, then further in the next call."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.nearest import meant
from mem_core.common.progress import Checkpoint, Paused, Progress, carry_on, silent
from mem_core.experiments.reproduce.datasets import open_dataset
from mem_core.experiments.reproduce.experiment import Experiment
from mem_core.experiments.reproduce.paper import EXPERIMENTS
from mem_core.experiments.reproduce.scale import claim_folder
from mem_core.experiments.reproduce.study import Study, StudyCell

Say = Callable[[str], None]


@dataclass(frozen=True)
class StudyPlan:
    """cells: all of them in order, done or not. missing: dataset -> where to get it; its cells are left out."""

    experiments: tuple[Experiment, ...]
    cells: tuple[StudyCell, ...]
    missing: dict[str, str] = field(default_factory=dict)

    def waiting(self, study: Study) -> list[StudyCell]:
        """The cells that are still to be measured."""
        return [cell for cell in self.cells if study.result(cell) is None]


def make_plan(study: Study, only: Sequence[str] = ()) -> StudyPlan:
    """The cells of all experiments, or of those named. Raises `ConfigError` for unknown names.

    A dataset that is not there is left out; if none is there but drawn ones, raises `SourceError`.
    """
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in only:
        if name not in known:
            raise ConfigError(f"expected an experiment out of {', '.join(known)}, got {name!r}{meant(name, known)}")
    experiments = tuple(known[name] for name in only or known)
    cells = dict.fromkeys(
        cell
        for seed in range(study.scale.seeds)
        for experiment in experiments
        for cell in experiment.cells(study, seed)
    )
    missing = {}
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        try:
            if not study.scale.draws(dataset):
                open_dataset(dataset, study.data)
        except SourceError as error:
            missing[dataset] = str(error)
    left = tuple(cell for cell in cells if cell.dataset not in missing)
    if missing and all(study.scale.draws(cell.dataset) for cell in left):
        raise SourceError("; ".join(missing.values()), hint="name the datasets")
    return StudyPlan(experiments, left, missing)


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
    study: Study, cell: StudyCell, say: Say, progress: Progress = silent, checkpoint: Checkpoint = carry_on
) -> None:
    """Measures a cell and says what came out."""
    found = study.measure(cell, progress, checkpoint).evaluation
    say(f"{cell.name}: {found.median_ranks}")


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
