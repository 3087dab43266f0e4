"""Estimates: calibrate on the real images in a scratch folder, and keep what was said beside what runs took."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from mem_core.common.errors import MemshieldError
from mem_core.common.formatting import duration
from mem_core.common.progress import Progress
from mem_core.common.storage.folder import require_disjoint
from mem_core.common.storage.scratch import scratch_below
from mem_core.config import Frozen, ProtectConfig, RunnerConfig, fingerprint
from mem_core.data.manifest import manifest_or_none
from mem_core.data.readers import open_source
from mem_core.data.survey import Survey, sharded_splits, survey_shards, survey_source
from mem_core.experiments.config import RunConfig
from mem_core.experiments.estimate.calibration import calibrate, samples_wanted
from mem_core.experiments.estimate.forecast import forecast
from mem_core.experiments.estimate.hand_out import HandOut, hand_out
from mem_core.experiments.estimate.history import EstimateRecord, History, PastErrors, RunCost, about_run
from mem_core.experiments.estimate.stage import Stage
from mem_core.protect.destination import PROTECTOR
from tasks.options import step
from tasks.progress import say, watched
from tasks.sharding import place_of, source_folder
from tasks.storage import open_folder

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
    """What a run will take. samples: of each split; images: those they are of, empty where not counted. measured: those
    that it rests on. past: how earlier estimates compared with the runs they were about. hand_out: the tars of one
    protected corpus, None where none is made in the way of `protect`."""

    source: str
    samples: dict[str, int]
    measured: int
    stages: tuple[Stage, ...]
    images: dict[str, int] = Field(default_factory=dict)
    past: tuple[PastErrors, ...] = ()
    hand_out: HandOut | None = None


@step("estimate", run_name="estimate {job.source}", tags=("memshield-device",))
def estimate_run(job: EstimateJob) -> RunEstimate:
    """Counts the source, calibrates on samples drawn from it, and multiplies."""
    say("trying the run's own steps on a few samples: half a minute of two free cores, or more")
    protector = open_folder(job.protector) if job.protector else None
    scratch_folder = open_folder(job.scratch) if job.scratch else None
    if scratch_folder is not None:
        require_disjoint(source_folder(job.source)[0].uri, scratch_folder.uri)
    with watched("estimate") as progress, scratch_below(scratch_folder) as scratch:
        surveys = _surveys(job, progress)
        own = surveys[job.config.corpus.one_sample_per]
        costs = calibrate(own, scratch, job.config, pipeline=job.pipeline, protector=protector, progress=progress)
    stages = forecast(surveys, costs, job.config, pipeline=job.pipeline)
    settings = job.config.protect
    made = fingerprint(settings) in costs.size
    found = RunEstimate(
        source=job.source,
        samples=own.samples,
        measured=costs.samples,
        stages=stages,
        images=own.images,
        hand_out=hand_out(own, costs.size, settings) if made else None,
    )
    if job.history:
        past = _with_history(job.history, lambda history: _compare(history, job, found))
        found = found.model_copy(update={"past": past or ()})
    say(f"{job.source}: about {duration(sum(stage.seconds for stage in stages))}")
    return found


def note_run(
    address: str,
    settings: ProtectConfig | RunConfig,
    runtime: RunnerConfig,
    samples: int,
    seconds: float,
    dest: str | None = None,
) -> None:
    """Keeps what a whole run with so many training samples took beside its estimate, if there is one in the history at
    an address. dest: the protected corpus whose bytes were estimated, too."""

    def note(history: History) -> None:
        kept, manifest = None, manifest_or_none(open_folder(dest)) if dest else None
        if dest and manifest:  # what is fitted was estimated with the corpus
            fitted = open_folder(dest).below(PROTECTOR).top()
            kept = sum(size or 0 for entry in manifest.shards for size in entry.sizes.values()) + sum(fitted.values())
        kind, identity = about_run(settings, runtime)
        said = history.add_run(kind, identity, samples, RunCost(seconds=seconds, kept=kept))
        if said is not None:
            say(f"{kind} took {duration(seconds)}, {seconds / said.seconds:.2f} times what was estimated")

    _with_history(address, note)


def _compare(history: History, job: EstimateJob, found: RunEstimate) -> tuple[PastErrors, ...]:
    """How past estimates did; keeps this one for the run that it is about."""
    past, config = history.past_errors(), job.config
    kind, identity = about_run(config if job.pipeline else config.protect, config.runtime)
    # The command `protect` does no more than fit and publish.
    stages = [stage for stage in found.stages if job.pipeline or stage.name in ("fit", "publish")]
    said = EstimateRecord(
        kind=kind,
        identity=identity,
        about=f"{job.source}, preset {config.name}",
        samples=found.samples["train"],
        seconds=sum(stage.seconds for stage in stages),
        kept=sum(stage.kept for stage in stages),
        hand_out=found.hand_out,
    )
    history.keep(said)
    return past


def _with_history(address: str, work: Callable[[History], T]) -> T | None:
    """A run is done and its result is good: what goes wrong with the notes on it is said, and costs nothing else."""
    try:
        return work(History(open_folder(address), lambda message: say(f"warning: {message}")))
    except (MemshieldError, OSError) as error:
        say(f"warning: past runs in {address} cannot be used: {error}")
        return None


def _surveys(job: EstimateJob, progress: Progress) -> dict[str, Survey]:
    """By kind of corpus, one sample for each image or each pair, what the run takes."""
    config, own = job.config, job.config.corpus.one_sample_per
    count = samples_wanted(config, pipeline=job.pipeline)
    folder, is_folder = source_folder(job.source)
    if not job.pipeline and is_folder and (splits := sharded_splits(folder)):
        return {own: survey_shards(splits, config.seed, count)}
    place, file = place_of(job.source)
    reader = open_source(place, file, format=job.format, config=config.corpus, seed=config.seed)
    kinds = dict.fromkeys([own, *(row.corpus or own for row in config.table if job.pipeline)])
    corpora = {kind: config.corpus.model_copy(update={"one_sample_per": kind}) for kind in kinds}
    return {kind: survey_source(reader, corpus, config.seed, count, progress) for kind, corpus in corpora.items()}
