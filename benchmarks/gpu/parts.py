"""What the script measures: studies and stress tests, each cut into jobs that need nothing but a folder."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.gpu.jobs import Job
from mem_core.audit.stress.cells import StressCell, cells_of, read_cell
from mem_core.audit.stress.page import stress_headline
from mem_core.audit.stress.stress_test import StressSettings, StressTest
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import TriggerConfig
from mem_core.experiments.reproduce import Study, StudyPlan, load_scale, make_plan, write_study
from mem_core.experiments.reproduce.run import prepare_all, run_cell
from mem_core.experiments.reproduce.scale import PEOPLE
from mem_core.experiments.reproduce.study import StudyCell


@dataclass(frozen=True)
class StudyPart:
    """A study at a scale. only: names of experiments, none for all of them.

    width: how many of its jobs may run at the same time, 0 for any number.
    """

    name: str
    scale: str
    folder: Path
    data: Path | None
    only: tuple[str, ...] = ()
    device: str | None = None
    width: int = 0

    def study(self) -> Study:
        changes = {"runtime": {"device": self.device}} if self.device else {}
        return Study(LocalFolder(self.folder), load_scale(self.scale, changes), self.data)

    def plan(self) -> StudyPlan:
        return make_plan(self.study(), self.only)

    def jobs(self) -> list[Job]:
        """The clean corpora, the rows, the cells; a row needs the one that it takes its ingredient from."""
        study, plan, first = self.study(), self.plan(), f"{self.name}: clean corpora"
        jobs = {first: Job(first, partial(_prepare, self))}
        starts = self._starts(study, plan)
        for before, cell in zip([None, *starts], starts, strict=False):
            needs = (first,) if before is None else (first, self._cell(before))
            jobs[self._cell(cell)] = Job(self._cell(cell), partial(_measure, self, cell), needs)
        for cell in plan.waiting(study):
            after = (first, self._cell(starts[-1])) if starts and cell.dataset == PEOPLE else (first,)
            row = self._protect(study, jobs, cell.dataset, cell.row, after)
            needs = (*after, row) if row else after
            jobs.setdefault(self._cell(cell), Job(self._cell(cell), partial(_measure, self, cell), needs))
        lane = self.name if self.width else ""
        return [replace(job, lane=lane, width=self.width) for job in jobs.values()]

    def row(self, dataset: str, name: str) -> str:
        """The job that protects a row."""
        return f"{self.name}: protect {dataset}/{name}"

    def corpora(self, dataset: str, name: str) -> tuple[LocalFolder, LocalFolder, LocalFolder]:
        """A row as published, the clean corpus that it was made from, and the test pairs."""
        study = self.study()
        plan, below = study.row_plan(dataset, name), study.folder.below(f"datasets/{dataset}")
        found = [below.below(place) for place in (plan.corpus, plan.clean, plan.test)]
        protected, clean, test = (one for one in found if isinstance(one, LocalFolder))
        return protected, clean, test

    @property
    def results(self) -> tuple[str, ...]:
        """What is kept, as patterns below the folder."""
        return ("cells/**/*.json", "report/**/*", "scale.json")

    def rate(self) -> float | None:
        """Pairs a second that victims were trained with, on average, each in its process beside the others."""
        study = self.study()
        found = [result for cell in self.plan().cells if (result := study.result(cell)) is not None]
        rates = [one.samples * len(one.history) / one.seconds for one in found if one.history and one.seconds]
        return round(sum(rates) / len(rates), 1) if rates else None

    def last_jobs(self) -> list[Job]:
        """What is done once the time is over."""
        return [Job(f"{self.name}: report", partial(_report, self))]

    def report(self) -> str:
        """Writes the study's page on what there is."""
        study, plan = self.study(), self.plan()
        done = write_study(study, plan, study.folder.below("report"))
        return f"{done.done} of {done.total} cells"

    def _protect(
        self, study: Study, jobs: dict[str, Job], dataset: str, name: str, after: tuple[str, ...]
    ) -> str | None:
        plan = study.row_plan(dataset, name)
        if plan.row.is_clean:
            return None
        source = self._protect(study, jobs, dataset, plan.source, after) if plan.source else None
        job = self.row(dataset, name)
        needs = (*after, source) if source else after
        jobs.setdefault(job, Job(job, partial(_protect_row, self, dataset, name), needs))
        return job

    def _starts(self, study: Study, plan: StudyPlan) -> list[StudyCell]:
        """The cells that make what the people's victims start from: one after the other, before all else of them."""
        wanted = (cell for cell in plan.waiting(study) if cell.dataset == PEOPLE and study.row(cell.row).victim)
        return [cell for cell in wanted if cell.seed == 0]

    def _cell(self, cell: StudyCell) -> str:
        return f"{self.name}: {cell.name}"


def _prepare(part: StudyPart) -> str:
    study = part.study()
    prepare_all(study, part.plan())
    return ""


def _protect_row(part: StudyPart, dataset: str, name: str) -> str:
    part.study().protect(dataset, name)
    return ""


def _measure(part: StudyPart, cell: StudyCell) -> str:
    said: list[str] = []
    run_cell(part.study(), cell, said.append)
    return said[-1].partition(": ")[2]


@dataclass(frozen=True)
class StressPart:
    """The default suite on a row of a study, with the study's victims."""

    name: str
    study: StudyPart
    row: str
    folder: Path
    seeds: tuple[int, ...]
    dataset: str = "flickr8k"

    @property
    def _trigger(self) -> TriggerConfig:
        return self.study.study().row_plan(self.dataset, self.row).protect.trigger

    def _test(self) -> StressTest:
        scale = self.study.study().scale
        queries = scale.evaluate.neutral(self._trigger.length, self._trigger.placement)
        settings = StressSettings(
            victim=scale.victim, evaluate=queries, runtime=scale.runtime, seeds=self.seeds, samples=_ALL
        )
        validation = self.study.study().validation(self.dataset)
        corpora = self.study.corpora(self.dataset, self.row)
        return StressTest(*corpora, LocalFolder(self.folder), settings, validation)

    def cells(self) -> list[StressCell]:
        """The victims of all attacks."""
        return cells_of(self._test().attacks(self._trigger.length, self._trigger.placement), self.seeds)

    def jobs(self) -> list[Job]:
        """Detectability, whose autoencoder is one of the attacks, and the victims; all need the row."""
        row, first = self.study.row(self.dataset, self.row), f"{self.name}: detectability"
        victims = [
            Job(f"{self.name}: {cell.name}", partial(_attack, self, cell.name), (row, first)) for cell in self.cells()
        ]
        return [Job(first, partial(_detect, self), (row,)), *victims]

    @property
    def results(self) -> tuple[str, ...]:
        """What is kept, as patterns below the folder."""
        return ("cells/*.json", "stress.*", "detectability/*.json")

    def last_jobs(self) -> list[Job]:
        """What is done once the time is over."""
        return [Job(f"{self.name}: report", partial(_report, self))] if any(self.folder.glob("cells/*.json")) else []

    def report(self) -> str:
        """Writes the page on what there is."""
        test = self._test()
        plan = test.plan()
        results = [found for cell in plan.cells if (found := read_cell(test.out, cell)) is not None]
        report = test.report(plan, results, test.detectability())
        return f"{len(results)} of {len(plan.cells)} victims. {stress_headline(report.findings)}"


_ALL = 1_000_000  # pairs: more than any corpus here has


def _detect(part: StressPart) -> str:
    return f"AUC of the noise {part._test().detectability().image_auc:.3f}"


def _attack(part: StressPart, name: str) -> str:
    cell = next(cell for cell in part.cells() if cell.name == name)
    return f"median rank {part._test().measure(cell).evaluation.bare.median_ranks}"


def _report(part: StudyPart | StressPart) -> str:
    return part.report()
