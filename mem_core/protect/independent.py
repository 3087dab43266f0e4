"""A surrogate for each shard, at the compute of one for all: the control that shows what a shared one is worth."""

from dataclasses import replace

from mem_core.common.progress import Progress
from mem_core.common.storage.folder import Folder
from mem_core.data.shard_cache import LoadedShard, ShardCache
from mem_core.perturb.context import FitContext
from mem_core.perturb.state import ShardState
from mem_core.protect.fit import Fit


def steps_for_each(steps_per_round: int, shards: int) -> int:
    """Surrogate steps a round for each of so many shards, so that all take about as many as one surrogate for all."""
    return max(min(1, steps_per_round), steps_per_round // shards)


def fit_alone(
    cache: ShardCache, shard: LoadedShard, shards: int, work: Folder, context: FitContext, progress: Progress
) -> ShardState:
    """The final state of one of `shards` shards, fitted on itself. Goes on after the last step that lies in `work`."""
    config = context.config
    steps = steps_for_each(config.surrogate.steps_per_round, shards)
    surrogate = config.surrogate.model_copy(update={"steps_per_round": steps})
    own = replace(context, config=config.model_copy(update={"surrogate": surrogate}))
    fit = Fit(cache, work.below("surrogates"), work, own, {shard.name: shard.sha256})
    fit.begin()
    for number in range(config.rounds):
        fit.train_surrogate(number, progress)
        loss = fit.advance(shard.name, number, progress)
        if context.recipe.noise == "optimised" and loss < config.loss_threshold:
            break
    return fit.state(shard)


def forget_alone(work: Folder) -> None:
    """The shard is published: what it was fitted with has no more use."""
    for name in list(work.names()):
        work.delete(name)
