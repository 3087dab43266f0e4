"""The calibration: a few hundred real samples go through every step of a run, and each step is timed.

What is timed is what a run calls, on two clean shards as large as a batch: the first warms up, the second counts.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from mem_core.audit.verify.record import verify
from mem_core.common.errors import SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import ProtectConfig, SurrogateConfig, fingerprint
from mem_core.data.shard_cache import load_shard
from mem_core.data.sharding.clean_shard import shard_name
from mem_core.data.sharding.split_writer import SplitWriter
from mem_core.data.survey import Survey
from mem_core.experiments.config import RunConfig, source_row
from mem_core.experiments.estimate.hand_out import tar_sizes
from mem_core.models import OpenClipEncoder
from mem_core.models.device import peak_memory, resolve_device, resolve_precision, watch_memory
from mem_core.models.training import save_checkpoint
from mem_core.protect.protection import Places, Protection, protect_all
from mem_core.victim.config import VictimConfig
from mem_core.victim.evaluation import query_model
from mem_core.victim.query_pairs import QueryPairs
from mem_core.victim.record import CHECKPOINT
from mem_core.victim.training import Training
from mem_core.victim.validation import ValidationPairs

T = TypeVar("T")
Clock = Callable[[], float]
_MOST = 512  # samples
_STEPS = 14  # of the surrogate: the trainer tells where it stands after 10, when it is warm, and at the end
_Told = list[tuple[int, float]]
"""From one checkpoint to the next: how much was done (0 at the beginning and the end), and when."""


@dataclass(frozen=True)
class Costs:
    """seconds: what a unit of each step takes, by the fingerprint of the settings, "" for the corpus, and its name:

    shard, load                 a sample: from the source to a clean shard, and from there to pixels
    pair, round, search, plain  of a fit: a pair of a surrogate step; what a round takes beyond these; a sample in a
                                round that searches for triggers, and in one that does not
    publish, verify             a sample
    train, save                 of a victim: a pair of an epoch, a checkpoint
    look, validate              of a victim: a test sample and a validation pair after an epoch
    query                       of a victim: a test sample when it is evaluated

    size: bytes of a clean and a published sample, of its pixels, of a surrogate and a victim; of a sample in the tars
    to hand out (see `hand_out`). memory: bytes of a GPU.
    """

    samples: int
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    size: dict[str, dict[str, float]] = field(default_factory=dict)
    memory: dict[str, int | None] = field(default_factory=dict)

    def of(self, settings: str, **units: float) -> float:
        """Seconds of so many units of each step."""
        return sum(count * self.seconds[settings][step] for step, count in units.items())


def samples_wanted(config: RunConfig, *, pipeline: bool = True) -> int:
    """Two shards as large as the largest batch that is to be seen."""
    ways, victims = _parts(config, pipeline)
    sizes = [size for way in ways.values() for size in (way.batch_size, way.surrogate.batch_size)]
    return min(_MOST, 2 * max([32, *sizes, *(victim.batch_size for victim in victims.values())]))


def _parts(config: RunConfig, pipeline: bool) -> tuple[dict[str, ProtectConfig], dict[str, VictimConfig]]:
    """The different ways to protect and kinds of victims of all rows, or of `protect` alone, by fingerprint.

    A row that takes its noise or triggers from another costs what that one does.
    """
    table = config.table if pipeline else ()
    made = [row for row in table if not row.is_clean and not source_row(row, config.table, config.protect)]
    ways = [row.protect_config(config.protect) for row in made] if pipeline else [config.protect]
    victims = [row.victim_config(config.victim) for row in table]
    return {fingerprint(way): way for way in ways}, {fingerprint(victim): victim for victim in victims}


def calibrate(
    survey: Survey,
    scratch: Folder,
    config: RunConfig,
    *,
    pipeline: bool = True,
    protector: Folder | None = None,
    clock: Clock = time.perf_counter,
    progress: Progress = silent,
) -> Costs:
    """Times all steps with the samples that the survey has drawn. Raises what a run would."""
    ways, victims = _parts(config, pipeline)
    total = 1 + len(ways) + len(victims)
    progress(0, total, "reading and sharding")
    trial = _Trial(scratch.below("clean"), config, clock, Costs(len(survey.drawn)))
    trial.shard(survey)
    published = trial.clean
    for number, (name, way) in enumerate(ways.items(), start=1):
        progress(number, total, f"protecting with {way.method}")
        published = scratch.below(f"way-{number}")
        trial.protect(name, way, published, protector)
    for number, (name, victim) in enumerate(victims.items(), start=1 + len(ways)):
        progress(number, total, f"training {victim.architecture}")
        trial.train(name, victim, published, scratch.below(f"victim-{number}"))
    progress(total, total, "measured")
    return trial.costs


@dataclass(frozen=True)
class _Trial:
    """Two clean shards, what is tried with them, and what that costs."""

    clean: Folder
    config: RunConfig
    clock: Clock
    costs: Costs

    def shard(self, survey: Survey) -> None:
        """Writes the drawn samples as clean shards. Raises `SourceError` if they do not fill two."""
        drawn, limit = self.costs.samples, self.config.protect.max_pixels
        each = self.config.corpus.model_copy(update={"samples_per_shard": math.ceil(drawn / 2)})
        writer = SplitWriter(self.clean, each, fingerprint(each))

        def write() -> None:
            for sample in survey.drawn:
                writer.add(sample)
            writer.finish()

        seconds, _ = self._timed(write)
        found = writer.conclude(len(survey.drawn))
        if found.shards != 2 or found.samples < 4:
            raise SourceError(f"expected at least 4 usable samples to measure with, got {found.samples} of {drawn}")
        load_shard(self.clean, shard_name(0), limit)
        load, loaded = self._timed(lambda: load_shard(self.clean, shard_name(1), limit))
        pixels = sum(map(loaded.pixel_bytes, range(loaded.usable)))
        self.costs.seconds[""] = {"shard": seconds / drawn, "load": load / loaded.usable}
        self.costs.size[""] = {"clean": sum(self.clean.top().values()) / drawn, "pixels": pixels / loaded.usable}

    def protect(self, name: str, way: ProtectConfig, place: Folder, protector: Folder | None) -> None:
        """The whole way with few steps. Pixels stay in memory, so that no step after the first loads them."""
        device, half = resolve_device(self.config.runtime), self.costs.samples / 2
        watch_memory(device)
        runtime = self.config.runtime.model_copy(update={"cache_mb": 2**20})
        protection = Protection(
            Places(self.clean, place, protector=protector), _short(way), runtime, seed=self.config.seed
        )
        protection.begin()
        fits = not protection.fitted
        told: list[_Told] = [[(0, self.clock())]]

        def tell(done: int, total: int, detail: str = "") -> None:
            told[-1].append((done, self.clock()))

        def checkpoint() -> None:
            tell(0, 0)
            told.append([(0, self.clock())])

        protect_all(protection, progress=tell, checkpoint=checkpoint)
        self.costs.memory[name] = peak_memory(device)
        verified, _ = self._timed(lambda: verify(self.clean, place))
        self.costs.seconds[name] = {"publish": _length(told[-2]) / half, "verify": verified / (2 * half)}
        sizes = {"published": sum(place.top().values()), **tar_sizes(self.clean, place, way)}
        self.costs.size[name] = {what: size / (2 * half) for what, size in sizes.items()}
        if fits:
            files = protection.protector_folder.top()
            self.costs.seconds[name] |= _fit_costs(protection.config.surrogate, told[:-3], half)
            self.costs.size[name]["surrogate"] = max(files[file] for file in files if file.startswith("surrogate"))

    def train(self, name: str, victim: VictimConfig, published: Folder, place: Folder) -> None:
        """The second of two passes over the samples, and the second of two evaluations."""
        runtime, settings = self.config.runtime, self.config.evaluate
        device = resolve_device(runtime)
        watch_memory(device)
        whole = victim.model_copy(update={"samples": None})
        training = Training(published, whole, runtime, self.config.seed, self.clean)
        _, (epoch, _) = [self._timed(lambda: training.epoch(0, silent)) for _ in range(2)]
        save, _ = self._timed(lambda: save_checkpoint(place, CHECKPOINT, training.state("calibration", [])))
        model = training.model.freeze()
        pairs = QueryPairs(self.clean, model, settings, runtime, keep=True)
        _, (look, _) = [self._timed(lambda: pairs.median_ranks(model)) for _ in range(2)]
        validate = self._validation(victim, model)
        _, (query, found) = [self._timed(lambda: query_model(model, self.clean, settings, runtime)) for _ in range(2)]
        weights = sum(value.numel() * value.element_size() for value in model.clip.state_dict().values())
        self.costs.seconds[name] = {
            "train": epoch / training.stream.length,
            "save": save,
            "look": look / found.images,
            "query": query / found.images,
            "validate": validate,
        }
        self.costs.size[name] = {"weights": weights}
        self.costs.memory[name] = peak_memory(device)

    def _validation(self, victim: VictimConfig, model: OpenClipEncoder) -> float:
        """A pair's part of the second of two looks at validation pairs that are ready; 0.0 where none are wanted."""
        if not victim.validation_pairs:
            return 0.0
        device = resolve_device(self.config.runtime)
        pairs = ValidationPairs.load(self.clean, victim.validation_pairs, model, device)
        precision = resolve_precision(self.config.runtime, device)
        _, (seconds, _) = [self._timed(lambda: pairs.median_ranks(model, device, precision)) for _ in range(2)]
        return seconds / len(pairs.images)

    def _timed(self, work: Callable[[], T]) -> tuple[float, T]:
        started = self.clock()
        done = work()
        return self.clock() - started, done


def _short(config: ProtectConfig) -> ProtectConfig:
    """The config with as few steps and rounds as show what each costs: a round with triggers, and one without.

    A surrogate for each shard takes as many steps in all as one for all of them, so that is what is measured. One that
    is given has not learned these few samples: another is trained in its place, whose steps will not be counted.
    """
    if config.strategy == "replay":
        return config
    wanted, rounds = config.surrogate.steps_per_round, min(2, config.fit_rounds)
    steps = min(_STEPS, wanted) if isinstance(wanted, int) else _STEPS
    trigger = config.trigger.model_copy(update={"rounds": min(1, config.trigger.rounds)})
    surrogate = config.surrogate.model_copy(update={"steps_per_round": steps, "checkpoint": ""})
    changes = {"strategy": "rounds", "rounds": rounds, "loss_threshold": 0.0}
    return config.model_copy(update=changes | {"trigger": trigger, "surrogate": surrogate})


def _fit_costs(surrogate: SurrogateConfig, told: Sequence[_Told], half: float) -> dict[str, float]:
    """told: of the surrogate and both shards, in each round; the last one counts."""
    train, _, plain = told[-3:]
    steps, marks = surrogate.steps(0), [mark for mark in train if mark[0]]
    step = _length(train) / max(1, steps)
    if len(marks) > 1:
        step = _length(marks) / (marks[-1][0] - marks[0][0])
    return {
        "pair": step / even_batch(half * min(2, surrogate.pool_shards), surrogate.batch_size),
        "round": max(0.0, _length(train) - steps * step),
        "search": _length(told[2]) / half,
        "plain": _length(plain) / half,
    }


def _length(told: _Told) -> float:
    return told[-1][1] - told[0][1]


def even_batch(pairs: float, size: int) -> float:
    """How many pairs a batch of at most `size` has: a pool is cut into even pieces."""
    return pairs / max(1, math.ceil(pairs / size))
