"""One study: a scale, a folder for everything it makes, and the steps that every experiment is made of.

    FOLDER/scale.json                                   the settings that all below was made with: `record`
    FOLDER/datasets/DATASET/clean-KIND/{train,test}     clean corpora, a sample for each image or for each pair
    FOLDER/datasets/DATASET/rows/ROW/protected          what would be published, verified
    FOLDER/datasets/DATASET/rows/ROW/VICTIM-SEED        a model trained on it
    FOLDER/cells/DATASET/ROW/VICTIM-SEED.json           what it retrieves

Every step does only what is missing and may be left at its checkpoints.
"""

import time
from functools import cached_property
from pathlib import Path
from typing import Any

from mem_core import __version__
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import ConfigError, SourceError, StopRun
from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.config import CorpusConfig, Frozen, ProtectConfig, RuntimeConfig, fingerprint
from mem_core.data.corpus import copy_shards
from mem_core.data.manifest import build_manifest
from mem_core.data.readers import SourceReader
from mem_core.data.sharding.sharder import shard_source
from mem_core.experiments.config import RowConfig
from mem_core.experiments.reproduce.cells import Cell, CellResult, read_result, write_result
from mem_core.experiments.reproduce.datasets import dataset_of, draw_dataset, draw_people_dataset, open_dataset
from mem_core.experiments.reproduce.pretraining import PretrainedModels
from mem_core.experiments.reproduce.rows import study_rows
from mem_core.experiments.reproduce.scale import PEOPLE, Scale
from mem_core.experiments.rows import source_row
from mem_core.models import Tokenizer
from mem_core.models.device import resolve_device
from mem_core.protect.destination import LANGUAGE_MODEL, PROTECTOR
from mem_core.protect.protection import Protection, protect_all
from mem_core.victim.config import VictimConfig
from mem_core.victim.evaluation import query_model
from mem_core.victim.record import load_victim
from mem_core.victim.training import train_victim

_VERIFIED = "verified.txt"
_CONTEXT = 77


class Study:
    """The steps of a study below one folder. data: where the datasets lie, None if they are drawn."""

    def __init__(self, folder: Folder, scale: Scale, data: str | Path | None = None) -> None:
        self.folder, self.scale, self.data = folder, scale, data
        self.rows = study_rows(scale.protect, scale.fluent, scale.faces)
        self._starts = PretrainedModels(folder, scale, scale.runtime)

    @property
    def runtime(self) -> RuntimeConfig:
        return self.scale.runtime

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

    def kind(self, row: RowConfig) -> str:
        """A sample for each image or for each pair."""
        return row.corpus or self.scale.corpus.one_sample_per

    def protect_config(self, row: RowConfig) -> ProtectConfig:
        return row.protect_config(self.scale.protect)

    def victim_config(self, cell: Cell) -> VictimConfig:
        return self.row(cell.row).victim_config(self.scale.victim_config(cell.victim))

    def clean(self, dataset: str, kind: str) -> Folder:
        """The clean corpus of a dataset: its splits lie below."""
        return self.folder.below(f"datasets/{dataset}/clean-{kind}")

    def test(self, dataset: str) -> Folder:
        """The clean pairs that victims are queried on: images with all their captions, whatever the rows are."""
        return self.clean(dataset, "image").below("test" if self.scale.draws(dataset) else dataset_of(dataset).test)

    def train(self, cell: Cell) -> Folder:
        """What the victims of a cell's row are trained on."""
        row = self.row(cell.row)
        if row.is_clean:
            return self.clean(cell.dataset, self.kind(row)).below("train")
        return self.place(cell.dataset, row.name).below("protected")

    def place(self, dataset: str, row: str) -> Folder:
        return self.folder.below(f"datasets/{dataset}/rows/{row}")

    def victim(self, cell: Cell) -> Folder:
        """Where the trained victim of a cell lies; `load_victim` reads it."""
        return self.place(cell.dataset, cell.row).below(f"{cell.victim}-{cell.seed}")

    def language_model(self, dataset: str, row: str) -> Folder:
        """The language model that proposed the words of a finished row."""
        return self.place(dataset, row).below("protected").below(PROTECTOR).below(LANGUAGE_MODEL)

    def identity(self, cell: Cell) -> str:
        """What a result depends on, besides the dataset's files."""
        row, scale = self.row(cell.row), self.scale
        made = _brief(self.protect_config(row)) if not row.is_clean else {}
        settings = (self._corpus(self.kind(row)), self.victim_config(cell), scale.evaluate, scale.drawn or Frozen())
        protect = None if row.is_clean else self.protect_config(row)
        starts = self._starts.identity(protect, self.victim_config(cell), cell.dataset)
        return fingerprint(
            made, *map(_brief, settings), str(row.fit_shards), scale.seed, cell.model_dump(), __version__, *starts
        )

    def result(self, cell: Cell) -> CellResult | None:
        """What was measured for a cell under these very settings, None if it is still to come."""
        return read_result(self.folder, cell, self.identity(cell))

    def prepare(self, dataset: str, kind: str, progress: Progress = silent) -> None:
        """Shards a dataset. Raises `SourceError` if it is not there or has no test split."""
        dest = self.clean(dataset, kind)
        split = self.test(dataset).uri.rpartition("/")[2]
        if dest.exists("train/manifest.json") and dest.exists(f"{split}/manifest.json"):
            return
        found = shard_source(self._source(dataset, progress), dest, self._corpus(kind), self.scale.seed, progress)
        lacking = [name for name in ("train", split) if name not in found or not found[name].samples]
        if lacking:
            raise SourceError(f"expected usable samples of {dataset} in the split {lacking[0]}, got {', '.join(found)}")

    def _source(self, dataset: str, progress: Progress) -> SourceReader:
        if not self.scale.draws(dataset):
            return open_dataset(dataset, self.data, self.scale.corpus.identities, self.scale.seed)
        if not isinstance(self.folder, LocalFolder):
            raise ConfigError(f"expected a local folder to draw {dataset} into, got {self.folder.uri}")
        place = self.folder.path / "datasets" / dataset / "source"
        place.parent.mkdir(parents=True, exist_ok=True)
        if self.scale.people is not None and dataset == PEOPLE:
            identities = self.scale.corpus.identities
            return draw_people_dataset(place, self.scale.people, identities, self.scale.seed, progress)
        assert self.scale.drawn is not None
        return draw_dataset(place, self.scale.drawn, self.scale.seed, progress)

    def _corpus(self, kind: str) -> CorpusConfig:
        return CorpusConfig.model_validate(self.scale.corpus.model_dump() | {"one_sample_per": kind})

    def protect(self, dataset: str, name: str, progress: Progress = silent, checkpoint: Checkpoint = carry_on) -> None:
        """Protects a row's corpus and proves it by reading it again. Raises `StopRun` if anything is wrong."""
        row, place = self.row(name), self.place(dataset, name)
        identity = fingerprint(
            _brief(self.protect_config(row)), self.kind(row), str(row.fit_shards), self.scale.seed, __version__
        )
        if row.is_clean or _says(place, _VERIFIED, identity):
            return
        clean = self.clean(dataset, self.kind(row)).below("train")
        config = self._starts.of_protection(self.protect_config(row), clean, dataset, progress, checkpoint)
        protector = None
        if row.fit_shards is not None:
            copy_shards(clean, place.below("part"), row.fit_shards)
            self._protect(place.below("part"), place.below("fitted"), config, progress, checkpoint)
            protector = place.below("fitted").below(PROTECTOR)
            config = config.model_copy(update={"strategy": "replay"})
        source = source_row(row, list(self.rows.values()), self.scale.protect)
        reuse = self.place(dataset, source.name).below("protected") if source else None
        if source:
            self.protect(dataset, source.name, progress, checkpoint)
        dest = place.below("protected")
        self._protect(clean, dest, config, progress, checkpoint, protector, reuse)
        self._verify(clean, dest, progress)
        write_bytes(place, _VERIFIED, identity.encode())

    def _protect(
        self,
        clean: Folder,
        dest: Folder,
        config: ProtectConfig,
        progress: Progress,
        checkpoint: Checkpoint,
        protector: Folder | None = None,
        reuse: Folder | None = None,
    ) -> None:
        job = Protection(
            clean, dest, config, self.runtime, seed=self.scale.seed, protector=protector, reuse=reuse
        )  # fmt: skip
        protect_all(job, progress=progress, checkpoint=checkpoint)

    def _verify(self, clean: Folder, dest: Folder, progress: Progress) -> None:
        found = verify_corpus(clean, dest, tokenize=Tokenizer(_CONTEXT).encode, progress=progress)
        if not found.ok:
            first = found.problems[0]
            raise StopRun(f"expected {dest.uri} to verify, but shard {first.shard} {first.key}: {first.what}")

    def measure(self, cell: Cell, progress: Progress = silent, checkpoint: Checkpoint = carry_on) -> CellResult:
        """Trains the victim of a cell, or goes on training it, and queries it on clean pairs."""
        known = self.result(cell)
        if known is not None:
            return known
        train, test, out = self.train(cell), self.test(cell.dataset), self.victim(cell)
        length = self.protect_config(self.row(cell.row)).trigger.length
        queries = self.scale.evaluate.model_copy(update={"prefix_length": length})
        started = time.perf_counter()
        record = train_victim(
            train,
            out,
            self._starts.of_victim(self.victim_config(cell), progress, checkpoint),
            self.runtime,
            seed=cell.seed,
            test=test,
            evaluate=queries,
            corpus_fingerprint=self._content(train),
            progress=progress,
            checkpoint=checkpoint,
        )
        result = CellResult(
            cell=cell,
            identity=self.identity(cell),
            evaluation=query_model(load_victim(out)[0], test, queries, self.runtime),
            history=record.history,
            steps=record.steps,
            samples=record.samples,
            seconds=sum(epoch.seconds for epoch in record.history) or time.perf_counter() - started,
            device=self._device,
        )
        write_result(self.folder, result)
        return result

    def _content(self, corpus: Folder) -> str:
        return build_manifest(corpus, kind="protected" if corpus.uri.endswith("/protected") else "clean").fingerprint

    @cached_property
    def _device(self) -> str:
        return str(resolve_device(self.runtime))


def _brief(settings: Frozen) -> dict[str, Any]:
    """Settings that are not at their defaults: a setting that is new in the program changes no result made before."""
    return settings.model_dump(mode="json", exclude_defaults=True)


def _says(folder: Folder, name: str, text: str) -> bool:
    return folder.exists(name) and read_bytes(folder, name) == text.encode()
