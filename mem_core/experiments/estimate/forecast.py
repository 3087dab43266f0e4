"""From what one sample costs to what a run will take: products of the calibration and of what the source holds.

Not foreseen: rounds that end early at the loss threshold, other work on the machine, and a network that is slower than
where the calibration ran. Requests to a store are the same on any machine: a test counts them with the real steps.
"""

import math
from collections.abc import Mapping

from mem_core.common.formatting import counted
from mem_core.config import ProtectConfig, RuntimeConfig, fingerprint
from mem_core.data.sharding.held_out import VALIDATION
from mem_core.data.survey import Survey
from mem_core.experiments.config import RowConfig, RunConfig, source_row
from mem_core.experiments.estimate.calibration import Costs, even_batch
from mem_core.experiments.estimate.stage import Stage
from mem_core.victim.config import VictimConfig

_TASK = 0.1  # seconds for a task of Prefect: 0.08 of processor time (python -m benchmarks.orchestration), and waits
_PART = 8 * 2**20  # from here on boto3 uploads in parts of this size


def puts(size: float) -> int:
    """Requests to upload so many bytes: large files in parts, with a request to begin and one to end."""
    return 1 if size < _PART else 2 + math.ceil(size / _PART)


def forecast(
    surveys: Mapping[str, Survey], costs: Costs, config: RunConfig, *, pipeline: bool = True
) -> tuple[Stage, ...]:
    """All rows of a preset, or what leads to one protected corpus. surveys: by kind of corpus, image or pair."""
    own = surveys[config.corpus.one_sample_per]
    stages = [shard_stage(survey, costs) for survey in surveys.values() if not survey.sharded]
    if not pipeline:
        return (*stages, *protect_stages(own, costs, config.protect, config.runtime))
    seeds = len(config.victim_seeds)
    for row in config.table:
        survey = surveys[row.corpus or config.corpus.one_sample_per]
        victim = victim_stage(survey, own, costs, row.victim_config(config.victim), config.runtime).times(seeds)
        victims = victim.model_copy(update={"name": counted(seeds, "victim")})
        own_stages = (*_row_protection(row, survey, costs, config), victims)
        stages += [stage.model_copy(update={"name": f"{row.name}: {stage.name}"}) for stage in own_stages]
    return tuple(stages)


def shard_stage(survey: Survey, costs: Costs) -> Stage:
    """Reading the source and writing clean shards of all splits."""
    samples, shards = sum(survey.samples.values()), sum(survey.shards.values())
    kept = samples * costs.size[""]["clean"]
    splits = len(survey.shards)
    put, get = 2 + 3 * splits + shards * (3 + puts(kept / shards)), 3 + 2 * splits + shards * 2
    return Stage(name="shard", seconds=costs.of("", shard=samples), kept=kept, put=put, get=get)


def protect_stages(
    survey: Survey, costs: Costs, config: ProtectConfig, runtime: RuntimeConfig, *, reuses: bool = False
) -> tuple[Stage, ...]:
    """Fit (if there is one), publish, verify. reuses: noise or trigger are taken from another row."""
    samples, shards, name = survey.samples["train"], survey.shards["train"], fingerprint(config)
    held, hands, memory = _held(samples, costs, runtime), max(1, len(runtime.devices)), costs.memory[name]
    fits, kept = "round" in costs.seconds[name], samples * costs.size[name]["published"]
    loads = fits and (reuses or not held)  # publishing was timed with the fit's pixels in memory
    publish = Stage(
        name="publish",
        seconds=(costs.of(name, publish=samples) + costs.of("", load=loads * samples) + shards * _TASK) / hands,
        kept=kept,
        put=6 + shards * (3 + puts(kept / shards)),
        get=4 + shards * (3 + loads + (loads or not fits)),  # the noise of a fit stays as the pixels do
        memory=memory,
    )
    verify = Stage(name="verify", seconds=costs.of(name, verify=samples), put=2, get=2 + shards * 8)
    if not fits or reuses:
        return (publish, verify)
    fit = _fit_stage(survey, costs, config, hands, held)
    return (fit.model_copy(update={"memory": memory}), publish, verify)


def _fit_stage(survey: Survey, costs: Costs, config: ProtectConfig, hands: int, held: bool) -> Stage:
    samples, shards, name = survey.samples["train"], survey.shards["train"], fingerprint(config)
    rounds, each, surrogate = config.fit_rounds, samples / shards, costs.size[name]["surrogate"]
    searching = min(rounds, config.trigger.rounds) if config.recipe.trigger == "optimised" else 0
    pool = min(shards, config.surrogate.pool_shards)
    pairs = config.surrogate_steps(samples) * even_batch(pool * each, config.surrogate.batch_size)  # a round
    visits = max(pool, pairs / each)  # of the surrogate to shards, in a round
    loaded = shards if held else rounds * (visits + shards)
    parts = max(0, config.surrogate_parts - 1)  # after each but the last, weights and moments are kept to go on from
    state, optimizer = costs.size[""]["pixels"] * each, 2 * surrogate  # a byte of noise a value; two moments a weight
    updates = costs.of(name, search=searching * samples, plain=(rounds - searching) * samples)
    return Stage(
        name="fit",
        seconds=costs.of(name, pair=rounds * pairs, round=rounds)
        + (updates + rounds * shards * _TASK) / hands
        + costs.of("", load=loaded * each),
        kept=rounds * surrogate,
        passing=shards * state + rounds * optimizer + bool(parts) * (surrogate + optimizer),
        put=10
        + parts * puts(surrogate + optimizer)
        + rounds * (puts(surrogate) + puts(optimizer) + shards * puts(state)),
        get=5 + rounds * 4 + (shards if held else rounds * (shards * 2 + visits)) + loaded,  # held: noise is, too
    )


def _row_protection(row: RowConfig, survey: Survey, costs: Costs, config: RunConfig) -> tuple[Stage, ...]:
    if row.is_clean:
        return ()
    source = source_row(row, config.table, config.protect)  # its own noise or words, so nearly its own files
    settings = (source or row).protect_config(config.protect)
    stages = protect_stages(survey, costs, settings, config.runtime, reuses=source is not None)
    if row.fit_shards is None or stages[0].name != "fit":
        return stages
    # Fitted and published on a part, then replayed on all, which takes nearly as long as to fit them.
    part = min(1.0, row.fit_shards / survey.shards["train"])
    fit, publish, verify = stages
    return (fit.times(1 + part), publish.times(1 + part), verify)


def victim_stage(survey: Survey, tests: Survey, costs: Costs, config: VictimConfig, runtime: RuntimeConfig) -> Stage:
    """One victim, watched on the test split of `tests` while it trains, its best epoch chosen on the validation split,
    then evaluated. It is saved every `runtime.checkpoint_minutes`; its weights are written at the end.
    """
    name, samples, epochs = fingerprint(config), min(survey.samples["train"], config.samples or 2**62), config.epochs
    decoded = runtime.cache_mb * 2**20 / max(1, samples * costs.size[""]["pixels"])  # what fits stays, the rest is read
    loads = 1 + epochs * (1 - min(1, decoded)) if epochs else 0
    pairs: float = epochs * samples
    if config.finetune is not None:  # two views of each pair
        pairs += 2 * config.finetune.epochs * config.finetune.share * samples
    watched = epochs // config.evaluate_every if config.evaluate_every else 0
    weights, asked = costs.size[name]["weights"], tests.samples.get("test", 0)
    chosen_on = min(config.validation_pairs, tests.samples.get(VALIDATION, 0))
    looks, read = (epochs, tests.shards.get(VALIDATION, 0)) if chosen_on else (0, 0)
    training = costs.of(name, train=pairs, look=watched * asked, validate=looks * chosen_on)
    reads = 1 + bool(watched)  # of the test split: for all looks while it trains, and for the evaluation
    saves = min(epochs, int(training / max(1.0, 60 * runtime.checkpoint_minutes)))
    saved = (3 + bool(looks)) * weights  # a checkpoint has two moments of each, and the best so far
    return Stage(
        name="victim",
        seconds=training + costs.of(name, save=saves, query=asked) + costs.of("", load=loads * samples + chosen_on),
        kept=weights,  # where the last epoch is not the best, as much again
        passing=saved if saves else 0,
        put=2 + reads + saves * puts(saved) + puts(weights),
        get=5
        + loads * survey.shards["train"]
        + reads * tests.shards.get("test", 0)
        + (5 + 3 * read + survey.shards["train"] + tests.shards.get("test", 0) if looks else 0),
        memory=costs.memory[name],
    )


def _held(samples: int, costs: Costs, runtime: RuntimeConfig) -> bool:
    """Whether all samples stay in memory, decoded and as files."""
    return samples * sum(costs.size[""].values()) <= runtime.cache_mb * 2**20
