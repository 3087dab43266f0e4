"""From what one sample costs to what a run will take: pure arithmetic, linear in samples but for listings and caches.

Not foreseen: rounds that end early at the loss threshold, other work on the machine, and a network that is slower
than where the calibration ran. Prefect takes its time for every task.
"""

from collections.abc import Mapping
from itertools import accumulate

from mem_core.common.formatting import counted
from mem_core.config import ProtectConfig, RuntimeConfig, fingerprint
from mem_core.config.base import Frozen
from mem_core.experiments.config import RowConfig, RunConfig
from mem_core.experiments.estimate.calibrate_protection import even_batch
from mem_core.experiments.estimate.costs import Costs, FitCost
from mem_core.experiments.estimate.request_counter import Requests, puts
from mem_core.experiments.estimate.survey import Survey
from mem_core.experiments.rows import source_row
from mem_core.victim.config import VictimConfig

# Seconds that Prefect takes for a task run: 0.08 of processor time (python -m benchmarks.orchestration), and its
# database waits.
_TASK = 0.1


class Stage(Frozen):
    """One step of a run. kept: bytes that stay; passing: more bytes while it runs. memory: of a GPU, None on a CPU."""

    name: str
    seconds: float
    kept: float = 0
    passing: float = 0
    requests: Requests = Requests()
    memory: int | None = None


class Forecast(Frozen):
    """A run: its stages in order."""

    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)

    @property
    def kept(self) -> float:
        """Bytes that are there when all is done."""
        return sum(stage.kept for stage in self.stages)

    @property
    def fullest(self) -> tuple[float, ...]:
        """For each stage, bytes of it and those before that are there at its fullest moment."""
        before = accumulate(stage.kept for stage in self.stages)
        return tuple(left + stage.passing for left, stage in zip(before, self.stages, strict=True))

    @property
    def most(self) -> float:
        """Bytes that are there at the fullest moment of all."""
        return max(self.fullest, default=0.0)

    @property
    def requests(self) -> Requests:
        return sum((stage.requests for stage in self.stages), Requests())

    @property
    def memory(self) -> int | None:
        """Bytes of the GPU that the most demanding stage takes, None on a CPU."""
        return max((stage.memory for stage in self.stages if stage.memory is not None), default=None)


def shard_stage(survey: Survey, costs: Costs) -> Stage:
    """Reading the source and writing clean shards of all splits."""
    cost, samples, shards = costs.source, sum(survey.samples.values()), sum(survey.shards.values())
    return Stage(
        name="shard",
        seconds=samples * cost.seconds,
        kept=samples * (cost.tar + cost.beside),
        requests=cost.calls.of(shards, samples / shards),
    )


def protect_stages(
    survey: Survey, costs: Costs, config: ProtectConfig, runtime: RuntimeConfig, *, reuses: bool = False
) -> tuple[Stage, ...]:
    """Fit (if there is one), publish, verify. reuses: noise or trigger are taken from another row."""
    samples, shards, cost = survey.samples["train"], survey.shards["train"], costs.ways[fingerprint(config)]
    hands, load = max(1, len(runtime.devices)), costs.source.load
    fits, held = cost.fit is not None and not reuses, _held(samples, costs, runtime)
    stages = []
    protector = 0.0
    if cost.fit is not None and fits:
        stages.append(_fit_stage(samples, shards, cost.fit, config, load, hands, held))
        protector = config.rounds * cost.fit.surrogate
    again = samples * load if fits and not held else 0.0
    own = cost.publishing.of(shards, samples / shards) + Requests(get=0 if fits and held else shards)
    publish = Stage(
        name="publish",
        seconds=(samples * cost.publish + again + shards * _TASK) / hands,
        kept=samples * (cost.tar + cost.beside) + protector,
        requests=own,
        memory=cost.memory,
    )
    verify = Stage(name="verify", seconds=samples * cost.verify, requests=cost.verifying.of(shards, samples / shards))
    stages = [stage.model_copy(update={"memory": cost.memory}) for stage in stages]
    return (*stages, publish, verify)


def _fit_stage(
    samples: int, shards: int, fit: FitCost, config: ProtectConfig, load: float, hands: int, held: bool
) -> Stage:
    rounds, surrogate = config.rounds, config.surrogate
    searching = min(rounds, config.trigger.rounds) if config.recipe.trigger == "optimised" else 0
    pool = min(samples, surrogate.pool_shards * samples / shards)
    seen = surrogate.steps_per_round * even_batch(pool, surrogate.batch_size)  # pairs a round, by the surrogate
    loaded = samples if held else rounds * (seen + samples)
    advance = samples * (searching * fit.first + (rounds - searching) * fit.later) + rounds * shards * _TASK
    visits = seen * shards / samples
    states, tars = Requests(get=rounds * visits), Requests(get=loaded * shards / samples)
    train = fit.train.of(shards, samples / shards).times(rounds)
    return Stage(
        name="fit",
        seconds=rounds * (seen * fit.pair + fit.round) + advance / hands + loaded * load,
        passing=samples * fit.state + rounds * (fit.surrogate + fit.optimizer),
        requests=fit.begin.of(shards, samples / shards)
        + train
        + fit.advance.of(shards, samples / shards).times(rounds)
        + states
        + tars,
    )


def pipeline_stages(surveys: Mapping[str, Survey], costs: Costs, config: RunConfig) -> tuple[Stage, ...]:
    """All rows of a preset. surveys: by kind of corpus, image or pair; the run's own among them."""
    own = config.corpus.one_sample_per
    stages = [shard_stage(survey, costs) for survey in surveys.values()]
    test = surveys[own].samples.get("test", 0)
    for row in config.table:
        survey = surveys[row.corpus or own]
        own_stages = (*_row_protection(row, survey, costs, config), *_row_victims(row, survey, test, costs, config))
        stages += [stage.model_copy(update={"name": f"{row.name}: {stage.name}"}) for stage in own_stages]
    return tuple(stages)


def _row_protection(row: RowConfig, survey: Survey, costs: Costs, config: RunConfig) -> tuple[Stage, ...]:
    if row.is_clean:
        return ()
    source = source_row(row, config.table, config.protect)  # its own noise or words, so nearly its own files
    settings = (source or row).protect_config(config.protect)
    stages = protect_stages(survey, costs, settings, config.runtime, reuses=source is not None)
    if row.fit_shards is None or stages[0].name != "fit":
        return stages
    part = min(1.0, row.fit_shards / survey.shards["train"])  # fitted and published on a part, then replayed on all
    fitted, published, verified = stages
    replayed = published.model_copy(update={"seconds": published.seconds + fitted.seconds})
    return (_times(fitted, part), _times(published, part), replayed, verified)


def _row_victims(row: RowConfig, survey: Survey, test: int, costs: Costs, config: RunConfig) -> tuple[Stage, ...]:
    settings = row.victim_config(config.victim)
    one = victim_stage(survey, test, costs, settings, config.runtime)
    seeds = len(config.victim_seeds)
    return (_times(one, seeds).model_copy(update={"name": counted(seeds, "victim")}),)


def victim_stage(survey: Survey, test: int, costs: Costs, config: VictimConfig, runtime: RuntimeConfig) -> Stage:
    """One victim, watched on so many test samples while it trains, then evaluated."""
    cost, samples = costs.victims[fingerprint(config)], min(survey.samples["train"], config.samples or 2**62)
    passes = config.epochs if not _held(samples, costs, runtime) else min(1, config.epochs)
    pairs: float = config.epochs * samples
    if config.finetune is not None:
        pairs += 2 * config.finetune.epochs * config.finetune.share * samples
    checks = config.epochs // config.evaluate_every if config.evaluate_every else 0
    shards, tests = survey.shards["train"], survey.shards.get("test", 0)
    return Stage(
        name="victim",
        seconds=pairs * cost.pair
        + config.epochs * cost.epoch
        + passes * samples * costs.source.load
        + (checks + 1) * test * cost.query,
        kept=cost.weights,
        passing=3 * cost.weights,
        requests=Requests(
            put=config.epochs * puts(3 * cost.weights) + puts(cost.weights) + 2,
            get=passes * shards + (checks + 1) * tests + config.epochs + 4,
            list=3 + checks,
        ),
        memory=cost.memory,
    )


def _held(samples: int, costs: Costs, runtime: RuntimeConfig) -> bool:
    """Whether all decoded samples stay in memory."""
    return samples * costs.source.pixels <= runtime.cache_mb * 2**20


def _times(stage: Stage, factor: float) -> Stage:
    changes = {name: factor * getattr(stage, name) for name in ("seconds", "kept", "passing")}
    return stage.model_copy(update={**changes, "requests": stage.requests.times(factor)})
