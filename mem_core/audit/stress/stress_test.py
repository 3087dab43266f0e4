"""A stress test step by step: what there is to do, each victim, how easily the protection is found, and the findings.

OUT/cells/*.json                    what each victim retrieves: `StressResult`
OUT/detectability                   how easily protection is found, and the weights of the autoencoder
OUT/stress.html, .json, .png        the report
OUT/scratch                         victims while they are trained; of an OUT in a store, in a local folder
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import Field

from mem_core import __version__
from mem_core.audit.detectability import measure_detectability
from mem_core.audit.detectable import Detectability
from mem_core.audit.stress.attacks import Attack, Suite, suite
from mem_core.audit.stress.cells import StressCell, StressResult, Subject, cells_of, read_cell, read_subject
from mem_core.audit.stress.cost import StressCost, stress_cost
from mem_core.audit.stress.findings import judge_attacks
from mem_core.audit.stress.page import StressReport, write_stress
from mem_core.common.errors import ConfigError, DestinationError
from mem_core.common.formatting import counted, duration
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder, read_bytes, require_disjoint, write_bytes
from mem_core.config import Frozen, Placement, RuntimeConfig, fingerprint
from mem_core.config.stored import read_record, write_record
from mem_core.data.corpus import corpus_fingerprint, list_shards
from mem_core.data.finished_shard import require_originals
from mem_core.data.manifest import build_manifest
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.countermeasures.applied import taken_from
from mem_core.victim.countermeasures.purifier import save_purifier
from mem_core.victim.evaluation import query_victim
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.validation import require_apart, validation_images

_FOLDER, _PURIFIER, _FOUND = "detectability", "purifier.safetensors", "detectability.json"


class StressSettings(Frozen):
    """What is tried, and on what victims. samples: pairs that each victim trains on at most.

    pretrained: weights for the row of a victim that does not start from nothing.
    """

    suite: Suite = "default"
    victim: VictimConfig = VictimConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    samples: int = Field(2000, ge=2)
    pretrained: str = ""


class StressPlan(Frozen):
    """What a test is about, which victims it takes, what they will cost, and the settings with the right queries."""

    subject: Subject
    settings: StressSettings
    attacks: tuple[Attack, ...]
    cells: tuple[StressCell, ...]
    expected: StressCost


class _FoundDetectability(Frozen):
    """detectability.json: the result, and what it is of."""

    fingerprint: str
    found: Detectability


@dataclass(frozen=True)
class StressTest:
    """A protected corpus under attack. clean: its originals; test: clean pairs to query victims on; validation: further
    ones, by which the best epoch of each victim is chosen.

    work: the local folder for victims while they are trained, and for the autoencoder's weights, where `out` is in a
    store. Raises `ConfigError` for an `out` in a store without one.
    """

    protected: Folder
    clean: Folder
    test: Folder
    out: Folder
    settings: StressSettings
    validation: Folder | None = None
    work: Folder | None = None

    def __post_init__(self) -> None:
        if "://" in self._work.uri:
            raise ConfigError(f"expected a local folder to train victims in, got {self._work.uri}")

    @property
    def _work(self) -> Folder:
        return self.work or self.out

    @cached_property
    def _corpora(self) -> tuple[str, str, str]:
        """The fingerprints of protected, clean and test corpus."""
        protected, clean, test = (corpus_fingerprint(folder) for folder in (self.protected, self.clean, self.test))
        return protected, clean, test

    def attacks(self, trigger_length: int, placement: Placement = "front") -> list[Attack]:
        """Those of the suite on a corpus with triggers of this length, put there."""
        purifier = f"{self._work.uri}/{_FOLDER}/{_PURIFIER}"
        return suite(self.settings.suite, trigger_length, purifier, self.settings.pretrained, placement)

    def plan(self) -> StressPlan:
        """Checks what can be checked before hours of work. Raises `SourceError`, and `DestinationError` for an `out`
        that holds another test: its results would be written over."""
        settings = self.settings
        own = [self.clean, self.test, *([self.validation] if self.validation else [])]
        for source in (self.protected, *own):
            require_disjoint(source.uri, self.out.uri)
        subject = read_subject(self.protected)
        for named in own:
            list_shards(named)  # now, not after the first hour
        require_originals(self.protected, self.clean)
        if self.validation is not None:
            require_apart(validation_images(self.validation, settings.victim.validation_pairs), self.test)
        attacks = self.attacks(subject.trigger_length, subject.placement)
        cells = cells_of(attacks, settings.seeds)
        queries = settings.evaluate.neutral(max(1, subject.trigger_length), subject.placement)
        self._require_own(cells, queries)
        expected = stress_cost(
            [cell for cell in cells if read_cell(self.out, cell) is None],
            settings.victim,
            settings.runtime,
            samples=min(settings.samples, subject.samples),
            test_samples=sum(e.samples for e in build_manifest(self.test, kind="clean").shards) or settings.samples,
        )
        return StressPlan(
            subject=subject,
            settings=settings.model_copy(update={"evaluate": queries}),
            attacks=tuple(attacks),
            cells=tuple(cells),
            expected=expected,
        )

    def detectability(self, progress: Progress = silent) -> Detectability:
        """Fits classifier and autoencoder, or finds them fitted; the autoencoder's weights are kept for its attack."""
        folder, seed = self.out.below(_FOLDER), self.settings.seeds[0]
        identity = fingerprint(*self._corpora[:2], seed, __version__)
        known = read_record(folder, _FOUND, _FoundDetectability, "detectability")
        if known is not None and known.fingerprint == identity and folder.exists(_PURIFIER):
            self._have_purifier()
            return known.found
        found, purifier = measure_detectability(self.protected, self.clean, seed, progress=progress)
        for place in {one.uri: one for one in (folder, self._work.below(_FOLDER))}.values():
            write_bytes(place, _PURIFIER, save_purifier(purifier))
        write_record(folder, _FOUND, _FoundDetectability(fingerprint=identity, found=found))
        return found

    def measure(self, cell: StressCell, progress: Progress = silent) -> StressResult:
        """Trains and queries the victim of a cell, or finds the cell measured; a killed training goes on.

        Victims are scratch: their weights are removed once the cell is written.
        """
        runtime, queries = self.settings.runtime, self.settings.evaluate
        config = cell.victim(self.settings.victim, self.settings.samples)
        identity = self._identity(cell, queries)
        known = read_cell(self.out, cell)
        if known is not None and known.fingerprint == identity:
            return known.model_copy(update={"cell": cell})  # the label may be another by now
        self._have_purifier()
        scratch = self._work.below("scratch").below(cell.name)
        published = cell.trained_on == "protected" or any(one.picks_published for one in config.countermeasures)
        record = train_victim(
            VictimData(
                self.protected if published else self.clean,
                fingerprint=self._corpora[not published],
                clean=self.clean,
                validation=self.validation,
                test=self.test,  # for no figure: refused before the first epoch if it shares an image
            ),
            scratch,
            config,
            runtime,
            seed=cell.seed,
            progress=progress,
        )
        result = StressResult(
            cell=cell,
            victim=config,
            samples=record.samples,
            steps=record.steps,
            seconds=sum(epoch.seconds for epoch in record.history),
            evaluation=query_victim(scratch, self.test, queries, runtime, progress),
            fingerprint=identity,
            protected=self._corpora[0],
        )
        write_record(self.out, cell.file, result)
        for name in list(scratch.names()):
            scratch.delete(name)
        return result

    def _identity(self, cell: StressCell, queries: EvaluateConfig) -> str:
        """What a cell's result follows from."""
        config = cell.victim(self.settings.victim, self.settings.samples)
        more = taken_from(config.countermeasures, self.clean, also=config.finetune is not None)
        chosen_on = [corpus_fingerprint(self.validation)] if self.validation else []
        return fingerprint(config, cell.trained_on, cell.seed, queries, *self._corpora, more, __version__, *chosen_on)

    def _require_own(self, cells: Sequence[StressCell], queries: EvaluateConfig) -> None:
        self._have_purifier()
        has_purifier = self._work.below(_FOLDER).exists(_PURIFIER)  # else it is fitted again, to the same bytes
        for cell in cells:
            if not has_purifier and any(one.kind == "autoencoder" for one in cell.attack.countermeasures):
                continue
            if (known := read_cell(self.out, cell)) and known.fingerprint != self._identity(cell, queries):
                raise DestinationError(
                    f"expected the results of this stress test in {self.out.uri}, but {cell.file} is of another "
                    "corpus, other settings or another version: name another folder"
                )

    def _have_purifier(self) -> None:
        """The autoencoder's weights as a local file, as its attack reads them, where `out` is in a store."""
        kept, local = self.out.below(_FOLDER), self._work.below(_FOLDER)
        if local.uri != kept.uri and kept.exists(_PURIFIER) and not local.exists(_PURIFIER):
            write_bytes(local, _PURIFIER, read_bytes(kept, _PURIFIER))

    def report(self, plan: StressPlan, results: Sequence[StressResult], detectability: Detectability) -> StressReport:
        """Writes stress.html, stress.json and stress.png."""
        findings = judge_attacks(plan.attacks, results)
        report = StressReport(findings=findings, detectability=detectability, about=_about(plan, results))
        write_stress(self.out, report)
        return report


def _about(plan: StressPlan, results: Sequence[StressResult]) -> dict[str, str]:
    subject, settings, victim, queried = plan.subject, plan.settings, plan.settings.victim, results[0].evaluation
    places = {
        **{"front": "", "end": " at the end of captions", "inside": " at places inside captions"},
        **{"replace": " in place of the captions' own words"},
    }
    seconds = sum(result.seconds for result in results)
    return {
        "protected with": f"{subject.method}, epsilon {subject.epsilon_levels}/255, "
        f"triggers of {subject.trigger_length} tokens{places[subject.placement]}",
        "trained on": f"{results[0].samples:,} pairs of {subject.samples:,}",
        "victims": f"{victim.architecture}, {counted(victim.epochs, 'epoch')}, batch {victim.batch_size}, "
        f"rate {victim.learning_rate:g}, seeds {', '.join(map(str, settings.seeds))}",
        "suite": f"{settings.suite}: {counted(len(plan.cells), 'victim')}, {duration(seconds)} of training",
        "version": __version__,
        "queried on": f"{queried.images:,} clean images with {queried.captions:,} captions",
    }
