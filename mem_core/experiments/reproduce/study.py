"""One study: a scale, a folder for everything it makes, and the steps that every experiment is made of.

    FOLDER/scale.json                                   the settings that all below was made with: `record`
    FOLDER/datasets/DATASET/clean-KIND/{train,test,val} clean corpora, a sample for each image or for each pair
    FOLDER/datasets/DATASET/rows/ROW/protected          what would be published, verified
    FOLDER/datasets/DATASET/rows/ROW/VICTIM-SEED        a model trained on it
    FOLDER/cells/DATASET/ROW/VICTIM-SEED.json           what it retrieves

Every step does only what is missing and may be left at its checkpoints.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mem_core import __version__
from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.config import CorpusConfig, Frozen, ProtectConfig, fingerprint
from mem_core.config.methods import without_noise
from mem_core.config.stored import read_record, write_record
from mem_core.data.manifest import MANIFEST_NAME
from mem_core.data.readers import SourceReader, open_source
from mem_core.data.receipt import receipt_name
from mem_core.data.sharding.held_out import VALIDATION
from mem_core.data.sharding.sharder import require_made_with, shard_source
from mem_core.data.synthetic.face_corpora import draw_people
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.experiments.config import RowConfig, source_row
from mem_core.experiments.direct_steps import DirectSteps
from mem_core.experiments.reproduce.datasets import open_dataset
from mem_core.experiments.reproduce.pretraining import PretrainedModels
from mem_core.experiments.reproduce.rows import study_rows
from mem_core.experiments.reproduce.scale import PEOPLE, StudyScale
from mem_core.experiments.row_runner import RowPlan, measure_victims, plan_row, protect_row
from mem_core.models.device import resolve_device
from mem_core.protect.destination import LANGUAGE_MODEL, PROTECTOR
from mem_core.victim.record import Epoch
from mem_core.victim.result import Evaluation

_VERIFIED = "verified.txt"
_VALIDATION_PAIRS = f"clean-image/{VALIDATION}"
_VALIDATED = f"{_VALIDATION_PAIRS}/{MANIFEST_NAME}"


class StudyCell(Frozen):
    """What is measured; the names are those of the study's datasets, rows and victims."""

    dataset: str
    row: str
    victim: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.row}/{self.victim}-{self.seed}"

    @property
    def file(self) -> str:
        """Where its result lies below the study's folder."""
        return f"cells/{self.name}.json"


class StudyResult(Frozen):
    """What came out, with what it took. identity: hash of everything the result depends on."""

    format: int = 1
    cell: StudyCell
    identity: str
    evaluation: Evaluation
    history: tuple[Epoch, ...]
    steps: int
    samples: int
    seconds: float = 0.0
    device: str = ""


class Study:
    """The steps of a study below one folder. data: where the datasets lie, None if they are drawn."""

    def __init__(self, folder: Folder, scale: StudyScale, data: str | Path | None = None) -> None:
        self.folder, self.scale, self.data = folder, scale, data
        self.rows = study_rows(scale.protect, scale.fluent, scale.faces)
        self._pretrained = PretrainedModels(folder, scale)

    def row(self, name: str) -> RowConfig:
        """A row by name. Raises `ConfigError` for an unknown one."""
        if name not in self.rows:
            raise ConfigError(f"expected a row out of {', '.join(self.rows)}, got {name!r}")
        return self.rows[name]

    def same_as(self, name: str) -> str:
        """The first row with the same settings: at a scale whose default is shuffled, mem-3-shuffled is mem-3."""
        wanted = self._settings(self.row(name))
        return next(other for other, row in self.rows.items() if self._settings(row) == wanted)

    def same_victim(self, role: str) -> str:
        """The first role with the same settings: where the main victim is an RN50, rn50 is main."""
        wanted = self.scale.victim_config(role)
        return next(other for other in self.scale.victims if self.scale.victim_config(other) == wanted)

    def _settings(self, row: RowConfig) -> tuple[object, ...]:
        protect = None if row.is_clean else self.protect_config(row)
        return self.kind(row), row.fit_shards, protect, tuple(sorted(row.victim.items()))

    def without_noise(self, name: str) -> str | None:
        """The row that differs from this one in its noise alone: same pairs, same victim, and of MEM the same words.

        None for a row that adds no noise, or where the study has no such row.
        """
        row, rows = self.row(name), list(self.rows.values())
        wanted = without_noise(row.method)
        alike = (o for o in rows if (o.method, self.kind(o), o.victim) == (wanted, self.kind(row), row.victim))
        same = self.same_as(name)
        for other in alike:
            source = source_row(other, rows, self.scale.protect)
            if other.is_clean or (source is not None and self.same_as(source.name) == same):
                return other.name
        return None

    def kind(self, row: RowConfig) -> str:
        """A sample for each image or for each pair."""
        return row.corpus or self.scale.corpus.one_sample_per

    def protect_config(self, row: RowConfig) -> ProtectConfig:
        return row.protect_config(self.scale.protect)

    def clean(self, dataset: str, kind: str) -> Folder:
        """The clean corpus of a dataset: its splits lie below."""
        return self._of(dataset).below(f"clean-{kind}")

    def _of(self, dataset: str) -> Folder:
        return self.folder.below(f"datasets/{dataset}")

    def test(self, dataset: str) -> Folder:
        """The clean pairs that victims are queried on: images with all their captions, whatever the rows are."""
        return self._of(dataset).below(self.row_plan(dataset, "clean").test)

    def validation(self, dataset: str) -> Folder | None:
        """The clean pairs that choose the best epoch, None where the dataset has too few images to hold some out."""
        return self._of(dataset).below(_VALIDATION_PAIRS) if self._of(dataset).exists(_VALIDATED) else None

    def train(self, cell: StudyCell) -> Folder:
        """What the victims of a cell's row are trained on."""
        return self._of(cell.dataset).below(self.plan(cell).corpus)

    def victim(self, cell: StudyCell) -> Folder:
        """Where the trained victim of a cell lies; `load_victim` reads it."""
        return self._of(cell.dataset).below(self.plan(cell).victims[0].out)

    def language_model(self, dataset: str, row: str) -> Folder:
        """The language model that proposed the words of a finished row."""
        protected = self._of(dataset).below(self.row_plan(dataset, row).corpus)
        return protected.below(PROTECTOR).below(LANGUAGE_MODEL)

    def identity(self, cell: StudyCell) -> str:
        """What a result depends on, besides the dataset's files."""
        plan, scale = self.plan(cell), self.scale
        row, victim = plan.row, plan.victims[0].config
        protect = None if row.is_clean else plan.protect
        settings = (self._corpus(self.kind(row)), victim, scale.evaluate, scale.drawn or Frozen())
        starts = self._pretrained.identity(protect, victim, cell.dataset)
        made = {} if protect is None else _brief(protect)
        return fingerprint(
            made, *map(_brief, settings), str(row.fit_shards), scale.seed, cell.model_dump(), __version__, *starts
        )

    def result(self, cell: StudyCell) -> StudyResult | None:
        """What was measured for a cell under these very settings, None if it is still to come."""
        found = read_record(self.folder, cell.file, StudyResult, "a result")
        return found if found is not None and found.identity == self.identity(cell) else None

    def prepare(self, dataset: str, kind: str, progress: Progress = silent) -> None:
        """Shards a dataset. Raises `SourceError` if it is not there or has no test split, `MismatchError` if it was
        sharded by a version that made other samples of it: such a study is of other data."""
        dest = self.clean(dataset, kind)
        begun = {name.partition("/")[0] for name in dest.names() if name.endswith(receipt_name(""))}
        if all(dest.exists(f"{split}/{MANIFEST_NAME}") for split in begun | {"train", "test"}):
            require_made_with(dest, self._corpus(kind))
            return
        found = shard_source(self._source(dataset, progress), dest, self._corpus(kind), self.scale.seed, progress)
        lacking = [name for name in ("train", "test") if name not in found or not found[name].samples]
        if lacking:
            raise SourceError(f"expected usable samples of {dataset} in the split {lacking[0]}, got {', '.join(found)}")

    def _source(self, dataset: str, progress: Progress) -> SourceReader:
        if not self.scale.draws(dataset):
            return open_dataset(dataset, self.data, self.scale.corpus.identities, self.scale.seed)
        if not isinstance(self.folder, LocalFolder):
            raise ConfigError(f"expected a local folder to draw {dataset} into, got {self.folder.uri}")
        place = self.folder.path / "datasets" / dataset / "source"
        place.parent.mkdir(parents=True, exist_ok=True)
        people, drawn, seed = self.scale.people, self.scale.drawn, self.scale.seed
        if people is not None and dataset == PEOPLE:
            photographs = draw_people(place, people.people, people.photos, people.size, seed, progress)
            identities = self.scale.corpus.identities.model_copy(update={"hold_out": True})
            config = CorpusConfig(identities=identities)
            return open_source(photographs, format="identities", config=config, seed=seed)
        assert drawn is not None
        source = draw_corpus(
            place, drawn.train, drawn.test, drawn.size, seed, progress, validation_count=drawn.validation
        )
        return open_source(source, format="csv")

    def _corpus(self, kind: str) -> CorpusConfig:
        return CorpusConfig.model_validate(self.scale.corpus.model_dump() | {"one_sample_per": kind})

    def plan(self, cell: StudyCell) -> RowPlan:
        """The row of a cell with the cell's victim, below the folder of its dataset."""
        scale, row = self.scale, self.row_plan(cell.dataset, cell.row)
        if self.validation(cell.dataset) is not None:
            row = replace(row, validation=_VALIDATION_PAIRS)
        return row.with_victim(cell.victim, scale.victim_config(cell.victim), scale.evaluate, cell.seed)

    def row_plan(self, dataset: str, name: str) -> RowPlan:
        """A row without victims, below the folder of its dataset."""
        row = self.row(name)
        clean = f"clean-{self.kind(row)}/train"
        return plan_row(row, list(self.rows.values()), self.scale.protect, clean, "clean-image/test")

    def _steps(self, dataset: str, progress: Progress, checkpoint: Checkpoint) -> DirectSteps:
        return DirectSteps(self._of(dataset), self.scale.runtime, self.scale.seed, progress, checkpoint)

    def protect(self, dataset: str, name: str, progress: Progress = silent, checkpoint: Checkpoint = carry_on) -> None:
        """A row's corpus and that of the row it takes from, protected and verified."""
        plan, steps = self.row_plan(dataset, name), self._steps(dataset, progress, checkpoint)
        row, place = plan.row, steps.folder.below(plan.folder)
        identity = fingerprint(_brief(plan.protect), self.kind(row), str(row.fit_shards), self.scale.seed, __version__)
        if row.is_clean or (place.exists(_VERIFIED) and read_bytes(place, _VERIFIED) == identity.encode()):
            return
        if plan.source:
            self.protect(dataset, plan.source, progress, checkpoint)
        clean = steps.folder.below(plan.clean)
        config = self._pretrained.of_protection(plan.protect, clean, dataset, progress, checkpoint)
        protect_row(replace(plan, protect=config), steps)
        write_bytes(place, _VERIFIED, identity.encode())

    def measure(self, cell: StudyCell, progress: Progress = silent, checkpoint: Checkpoint = carry_on) -> StudyResult:
        """Protects what a cell is trained on, trains its victim and queries it: what of this is still to be done.

        Raises `StopRun` if the protected corpus is not what it claims to be.
        """
        known = self.result(cell)
        if known is not None:
            return known
        self.protect(cell.dataset, cell.row, progress, checkpoint)
        checkpoint()
        started = time.perf_counter()
        plan = self.plan(cell)
        (victim,) = plan.victims
        victim = replace(victim, config=self._pretrained.of_victim(victim.config, progress, checkpoint))
        steps = self._steps(cell.dataset, progress, checkpoint)
        ((record, evaluation),) = measure_victims(replace(plan, victims=(victim,)), steps)
        result = StudyResult(
            cell=cell,
            identity=self.identity(cell),
            evaluation=evaluation.model_copy(update={"test": evaluation.test.removeprefix(f"{self.folder.uri}/")}),
            history=record.history,
            steps=record.steps,
            samples=record.samples,
            seconds=sum(epoch.seconds for epoch in record.history) or time.perf_counter() - started,
            device=str(resolve_device(self.scale.runtime)),
        )
        write_record(self.folder, cell.file, result, indent=1)
        return result


def _brief(settings: Frozen) -> dict[str, Any]:
    """Settings that are not at their defaults: a setting that is new in the program changes no result made before."""
    return settings.model_dump(mode="json", exclude_defaults=True)
