"""Estimates: calibrate on the real images in a scratch folder, and keep what was said beside what runs took."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mem_core.common.errors import DestinationError, MemshieldError
from mem_core.common.formatting import duration
from mem_core.common.progress import Progress
from mem_core.common.storage.folder import Folder, LocalFolder, require_disjoint
from mem_core.config import Frozen, ProtectConfig, RuntimeConfig, fingerprint
from mem_core.data.manifest import manifest_or_none
from mem_core.data.readers import folder_of, open_source
from mem_core.data.survey import Survey, sharded_splits, survey_shards, survey_source
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.calibration import calibrate, samples_wanted
from mem_core.experiments.estimate.forecast import Stage, forecast
from mem_core.experiments.estimate.history import EstimateRecord, History, PastErrors, RunCost
from mem_core.models.device import resolve_device
from mem_core.protect.destination import PROTECTOR
from tasks.options import step
from tasks.progress import say, watched
from tasks.protecting import ProtectSummary
from tasks.sharding import place_of
from tasks.storage import open_folder
from tasks.workspace import ProtectJob

T = TypeVar("T")


class EstimateJob(Frozen):
    """What is to be estimated. pipeline: all rows of the preset, not only what `protect` does. protector: of a replay.
    scratch: an empty folder to calibrate in, by address; else a temporary one. history: where estimates are kept."""

    source: str
    config: RunConfig
    format: str = "auto"
    pipeline: bool = False
    protector: str | None = None
    scratch: str | None = None
    history: str = ""


class RunEstimate(Frozen):
    """What a run will take. samples: of each split. measured: those that it rests on. past: how earlier estimates
    compared with the runs they were about."""

    source: str
    samples: dict[str, int]
    measured: int
    stages: tuple[Stage, ...]
    past: tuple[PastErrors, ...] = ()


@step("estimate", run_name="estimate {job.source}", tags=("memshield-device",))
def estimate_run(job: EstimateJob) -> RunEstimate:
    """Counts the source, calibrates on samples drawn from it, and multiplies."""
    say("trying the run's own steps on a few samples: half a minute of two free cores, or more")
    protector = open_folder(job.protector) if job.protector else None
    with watched("estimate") as progress, _scratch(job) as scratch:
        surveys = _surveys(job, progress)
        own = surveys[job.config.corpus.one_sample_per]
        costs = calibrate(own, scratch, job.config, pipeline=job.pipeline, protector=protector, progress=progress)
    stages = forecast(surveys, costs, job.config, pipeline=job.pipeline)
    found = RunEstimate(source=job.source, samples=own.samples, measured=costs.samples, stages=stages)
    if job.history:
        past = _with_history(job.history, lambda history: _compare(history, job, found))
        found = found.model_copy(update={"past": past or ()})
    say(f"{job.source}: about {duration(sum(stage.seconds for stage in stages))}")
    return found


def note_protection(address: str, job: ProtectJob, seconds: float, summary: ProtectSummary) -> None:
    """Keeps what a whole run of `protect` took beside its estimate in the history at an address, if there is one."""

    def note(history: History) -> None:
        dest = open_folder(job.dest)
        manifest = manifest_or_none(dest)
        kept = sum(size or 0 for entry in manifest.shards for size in entry.sizes.values()) if manifest else None
        if kept is not None and job.protector is None:  # a fit is estimated with what it leaves
            kept += sum(dest.below(PROTECTOR).top().values())
        identity = _identity("protect", job.config, job.runtime)
        _note(history, "protect", identity, sum(summary.counts.values()), RunCost(seconds=seconds, kept=kept))

    _with_history(address, note)


def note_pipeline(address: str, config: RunConfig, samples: int, seconds: float) -> None:
    """The same for a whole pipeline with so many training samples."""
    identity = _identity("pipeline", config, config.runtime)
    _with_history(address, lambda history: _note(history, "pipeline", identity, samples, RunCost(seconds=seconds)))


def _note(history: History, kind: str, identity: str, samples: int, took: RunCost) -> None:
    said = history.add_run(kind, identity, samples, took)
    if said is not None:
        say(f"{kind} took {duration(took.seconds)}, {took.seconds / said.seconds:.2f} times what was estimated")


def _compare(history: History, job: EstimateJob, found: RunEstimate) -> tuple[PastErrors, ...]:
    """How past estimates did; keeps this one for the run that it is about."""
    past, config = history.past_errors(), job.config
    kind, settings = ("pipeline", config) if job.pipeline else ("protect", config.protect)
    # The command `protect` does no more than fit and publish.
    stages = [stage for stage in found.stages if job.pipeline or stage.name in ("fit", "publish")]
    said = EstimateRecord(
        kind=kind,
        identity=_identity(kind, settings, config.runtime),
        about=f"{job.source}, preset {config.name}",
        samples=found.samples["train"],
        seconds=sum(stage.seconds for stage in stages),
        kept=sum(stage.kept for stage in stages),
    )
    history.keep(said)
    return past


def _identity(kind: str, settings: ProtectConfig | RunConfig, runtime: RuntimeConfig) -> str:
    """By which an estimate recognises its runs; a pipeline's cost does not depend on its name and seed."""
    if isinstance(settings, RunConfig):
        settings = settings.model_copy(update={"name": "default", "seed": 0})
    return fingerprint(kind, settings, "ray" if runtime.runner == "ray" else resolve_device(runtime).type)


def _with_history(address: str, work: Callable[[History], T]) -> T | None:
    """A run is done and its result is good: what goes wrong with the notes on it is said, and costs nothing else."""
    try:
        return work(History(open_folder(address), _warn))
    except (MemshieldError, OSError) as error:
        _warn(f"past runs in {address} cannot be used: {error}")
        return None


def _warn(message: str) -> None:
    say(f"warning: {message}")


def _surveys(job: EstimateJob, progress: Progress) -> dict[str, Survey]:
    """By kind of corpus, one sample for each image or each pair, what the run takes."""
    config, own = job.config, job.config.corpus.one_sample_per
    count = samples_wanted(config, pipeline=job.pipeline)
    folder, is_folder = _folder_of(job.source)
    if not job.pipeline and is_folder and (splits := sharded_splits(folder)):
        return {own: survey_shards(splits, config.seed, count)}
    place, file = place_of(job.source)
    reader = open_source(place, file, format=job.format, identities=config.corpus.identities, seed=config.seed)
    kinds = {own, *(row.corpus or own for row in config.table if job.pipeline)}
    corpora = {kind: config.corpus.model_copy(update={"one_sample_per": kind}) for kind in kinds}
    return {kind: survey_source(reader, corpus, config.seed, count, progress) for kind, corpus in corpora.items()}


@contextmanager
def _scratch(job: EstimateJob) -> Iterator[Folder]:
    """An empty folder that is left as it was. Raises `DestinationError` for the source, or if something is in it."""
    if job.scratch is None:
        with tempfile.TemporaryDirectory(prefix="memshield-estimate-") as made:
            yield LocalFolder(made)
        return
    folder = open_folder(job.scratch)
    require_disjoint(_folder_of(job.source)[0].uri, folder.uri)
    if other := next(folder.names(), None):
        raise DestinationError(f"expected an empty folder to calibrate in, but {folder.uri} holds other data: {other}")
    is_new = isinstance(folder, LocalFolder) and not folder.path.exists()
    ours = folder.below("memshield-estimate")
    try:
        yield ours
    finally:
        for name in list(ours.names()):
            ours.delete(name)
        if isinstance(folder, LocalFolder):  # a store has no empty folders
            shutil.rmtree(folder.path if is_new else folder.path / "memshield-estimate", ignore_errors=True)


def _folder_of(source: str) -> tuple[Folder, bool]:
    """The folder that the source is, or that its caption file lies in; whether it is the folder itself."""
    place, file = place_of(source)
    if not isinstance(place, str):
        return place, not file
    is_file = Path(place).is_file()
    return LocalFolder(folder_of(place)[0] if is_file else place), not is_file
