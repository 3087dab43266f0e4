"""What there is to measure, in order: all rows with the first seed, then all rows with the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mem_core.common.errors import ConfigError, SourceError
from mem_core.study.cells import Cell
from mem_core.study.datasets import open_dataset
from mem_core.study.experiment import Experiment
from mem_core.study.experiments import EXPERIMENTS
from mem_core.study.study import Study


@dataclass(frozen=True)
class StudyPlan:
    """cells: all of them in order, done or not. missing: dataset -> where to get it; its cells are left out."""

    experiments: tuple[Experiment, ...]
    cells: tuple[Cell, ...]
    missing: dict[str, str] = field(default_factory=dict)

    def waiting(self, study: Study) -> list[Cell]:
        """The cells that are still to be measured."""
        return [cell for cell in self.cells if study.result(cell) is None]


def make_plan(study: Study, only: Sequence[str] = ()) -> StudyPlan:
    """The cells of all experiments, or of those named. Raises `ConfigError` for unknown names.

    A dataset that is not there is left out; if none is there but drawn ones, raises `SourceError`.
    """
    experiments = tuple(_chosen(only))
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
        raise SourceError("; ".join(missing.values()))
    return StudyPlan(experiments, left, missing)


def _chosen(only: Sequence[str]) -> list[Experiment]:
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in only:
        if name not in known:
            raise ConfigError(f"expected an experiment out of {', '.join(known)}, got {name!r}")
    return [known[name] for name in only] if only else list(EXPERIMENTS)
