"""Estimates: calibrate on the real images in a scratch folder, and keep each estimate beside what runs took."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from mem_core.common.errors import DestinationError, MemshieldError
from mem_core.common.formatting import duration
from mem_core.common.progress import Progress
from mem_core.common.storage.folder import Folder, LocalFolder, require_disjoint
from mem_core.config import ProtectConfig, RunnerConfig, fingerprint
from mem_core.config.base import Frozen
from mem_core.data.manifest import manifest_or_none
from mem_core.data.readers import folder_of, open_source
from mem_core.data.sharding.candidate import Candidate
from mem_core.experiments.config import RowConfig, RunConfig
from mem_core.experiments.estimate.calibration import calibrate, samples_wanted
from mem_core.experiments.estimate.costs import Costs
from mem_core.experiments.estimate.forecast import Forecast, pipeline_stages, protect_stages, shard_stage
from mem_core.experiments.estimate.history import (
    EstimateRecord,
    PastErrors,
    RunCost,
    add_run,
    identity_of,
    keep_estimate,
    past_errors,
)
from mem_core.experiments.estimate.survey import Survey, sharded_splits, survey_shards, survey_source
from mem_core.experiments.rows import source_row
from mem_core.models.device import resolve_device
from mem_core.protect.destination import PROTECTOR
from mem_core.victim.config import VictimConfig
from tasks.options import step
from tasks.progress import say, watched
from tasks.protecting import ProtectSummary
from tasks.sharding import place_of
from tasks.storage import open_folder
from tasks.workspace import ProtectJob

_OURS = "memshield-estimate"  # in the folder to calibrate in


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
    """What a run will take, on what it rests, and how past estimates compared with the runs they were about."""

    survey: Survey
    costs: Costs
    forecast: Forecast
    past: tuple[PastErrors, ...] = ()


@step("estimate", run_name="estimate {job.source}", tags=("memshield-device",))
def estimate_run(job: EstimateJob) -> RunEstimate:
    """Counts the source, calibrates on samples drawn from it, and computes the forecast."""
    config, own = job.config, job.config.corpus.one_sample_per
    ways, victims = _wanted(job)
    say("trying the run's own steps on a few samples: half a minute of two free cores, or more")
    with watched("estimate") as progress, _scratch(job) as scratch:
        surveys, drawn = _surveys(job, samples_wanted(ways, victims), progress)
        protector = open_folder(job.protector) if job.protector else None
        costs = calibrate(drawn, scratch, config, ways, victims, protector=protector, progress=progress)
    survey = surveys[own]
    if job.pipeline:
        stages = pipeline_stages(surveys, costs, config)
    else:
        shard = () if survey.sharded else (shard_stage(survey, costs),)
        stages = (*shard, *protect_stages(survey, costs, config.protect, config.runtime))
    found = RunEstimate(survey=survey, costs=costs, forecast=Forecast(stages=stages))
    with _only_warning(job.history):
        if job.history:
            found = found.model_copy(update={"past": past_errors(open_folder(job.history), _warn)})
            _keep(job, found)
    say(f"{job.source}: about {duration(found.forecast.seconds)}")
    return found


def note_protection(history: str, job: ProtectJob, seconds: float, summary: ProtectSummary) -> None:
    """Keeps what a whole run of `protect` took beside its estimate, if there is one."""
    with _only_warning(history):
        manifest = manifest_or_none(open_folder(job.dest))
        left = sum(size or 0 for entry in manifest.shards for size in entry.sizes.values()) if manifest else None
        if left is not None and job.protector is None:  # a fit is estimated with what it leaves
            fitted = open_folder(job.dest).below(PROTECTOR)
            left += sum(fitted.size(name) for name in fitted.names())
        samples = sum(summary.counts.values())
        _note(history, "protect", job.config, job.runtime, samples, RunCost(seconds=seconds, kept=left))


def note_pipeline(history: str, config: RunConfig, samples: int, seconds: float) -> None:
    """The same for a whole pipeline with so many training samples."""
    with _only_warning(history):
        _note(history, "pipeline", _settings(config), config.runtime, samples, RunCost(seconds=seconds))


@contextmanager
def _only_warning(history: str) -> Iterator[None]:
    """The work is done and its result is good: what goes wrong with the notes on it is said, and costs nothing else."""
    try:
        yield
    except (MemshieldError, OSError) as error:
        _warn(f"past runs in {history} cannot be used: {error}")


def _warn(message: str) -> None:
    say(f"warning: {message}")


def _note(history: str, kind: str, settings: BaseModel, runtime: RunnerConfig, samples: int, took: RunCost) -> None:
    found = add_run(open_folder(history), kind, identity_of(kind, settings, _device(runtime)), samples, took, _warn)
    if found is not None:
        say(f"{kind} took {duration(took.seconds)}, {took.seconds / found.seconds:.2f} times what was estimated")


def _wanted(job: EstimateJob) -> tuple[list[ProtectConfig], list[VictimConfig]]:
    """The different ways to protect and kinds of victims that there are to measure."""
    config = job.config
    if not job.pipeline:
        return [config.protect], []
    ways = [row.protect_config(config.protect) for row in config.table if _is_made(row, config)]
    victims = [row.victim_config(config.victim) for row in config.table]
    return list({fingerprint(way): way for way in ways}.values()), list({fingerprint(v): v for v in victims}.values())


def _is_made(row: RowConfig, config: RunConfig) -> bool:
    """Whether a row is protected by itself: not clean, and not made by reusing another row."""
    return not row.is_clean and source_row(row, config.table, config.protect) is None


def _surveys(job: EstimateJob, count: int, progress: Progress) -> tuple[dict[str, Survey], list[Candidate]]:
    """By kind of corpus, the run's own first, and samples of that one."""
    config, own = job.config, job.config.corpus.one_sample_per
    splits = {} if job.pipeline else _splits(job.source)
    if splits:
        found, drawn = survey_shards(splits, config.seed, count)
        return {own: found}, drawn
    kinds = dict.fromkeys([own, *(row.corpus or own for row in config.table if job.pipeline)])
    folder, file = place_of(job.source)
    reader = open_source(folder, file, format=job.format, identities=config.corpus.identities, seed=config.seed)
    made = {}
    for kind in kinds:
        corpus = config.corpus.model_copy(update={"one_sample_per": kind})
        made[kind] = survey_source(reader, corpus, config.seed, count, progress)
    return {kind: survey for kind, (survey, _) in made.items()}, made[own][1]


def _splits(source: str) -> dict[str, Folder]:
    """The splits of a corpus that is sharded already."""
    folder, file = place_of(source)
    if isinstance(folder, str):
        return sharded_splits(LocalFolder(folder)) if Path(folder).is_dir() else {}
    return {} if file else sharded_splits(folder)


@contextmanager
def _scratch(job: EstimateJob) -> Iterator[Folder]:
    """An empty folder that is left as it was. Raises `DestinationError` for the source, or if something is in it."""
    if job.scratch is None:
        with tempfile.TemporaryDirectory(prefix="memshield-estimate-") as place:
            yield LocalFolder(place)
        return
    folder = open_folder(job.scratch)
    require_disjoint(_folder_with(job.source), folder.uri)
    if other := next(folder.names(), None):
        raise DestinationError(f"expected an empty folder to calibrate in, but {folder.uri} holds other data: {other}")
    ours = folder.below(_OURS)
    is_new = isinstance(folder, LocalFolder) and not folder.path.exists()
    try:
        yield ours
    finally:
        for name in list(ours.names()):
            ours.delete(name)
        if isinstance(folder, LocalFolder):  # a store has no empty folders
            shutil.rmtree(folder.path if is_new else folder.path / _OURS, ignore_errors=True)


def _folder_with(source: str) -> str:
    """The address of the folder that the source is, or that its caption file stands for."""
    folder, _ = place_of(source)
    if not isinstance(folder, str):
        return folder.uri
    return folder_of(folder)[0] if Path(folder).is_file() else folder


def _keep(job: EstimateJob, found: RunEstimate) -> None:
    """For the run that it is about to find. Of `protect` it is fit and publishing, as the command does no more."""
    kind = "pipeline" if job.pipeline else "protect"
    settings = _settings(job.config) if job.pipeline else job.config.protect
    stages = [stage for stage in found.forecast.stages if job.pipeline or stage.name in ("fit", "publish")]
    kept = EstimateRecord(
        kind=kind,
        identity=identity_of(kind, settings, _device(job.config.runtime)),
        about=f"{job.source}, preset {job.config.name}",
        samples=found.survey.samples["train"],
        seconds=sum(stage.seconds for stage in stages),
        kept=sum(stage.kept for stage in stages),
    )
    keep_estimate(open_folder(job.history), kept)


def _settings(config: RunConfig) -> RunConfig:
    """What a pipeline's cost depends on."""
    return config.model_copy(update={"name": "default", "seed": 0})


def _device(runtime: RunnerConfig) -> str:
    return "ray" if runtime.runner == "ray" else resolve_device(runtime).type
