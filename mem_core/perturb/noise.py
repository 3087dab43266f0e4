"""The noise that an image is published with: the one place that chooses it."""

import torch
from torch import Tensor

from mem_core.common.errors import MismatchError
from mem_core.common.rng import generator
from mem_core.data.shard_cache import LoadedShard
from mem_core.perturb.codebook import grating
from mem_core.perturb.context import FitContext
from mem_core.perturb.projection import project
from mem_core.perturb.state import ShardState


def noise_for(shard: LoadedShard, i: int, clean: Tensor, state: ShardState, context: FitContext) -> Tensor:
    """int8 [3, H, W] within the budget: what the method adds to image `i`, uint8 [3, H, W], after the last round.

    Raises `MismatchError` if the protector lacks what the method needs.
    """
    recipe, config = context.recipe, context.config.noise
    if recipe.steps_noise:
        return state.noise[i] if recipe.publishes_noise else torch.zeros_like(clean, dtype=torch.int8)
    if recipe.noise == "none":
        return torch.zeros_like(clean, dtype=torch.int8)
    key = shard.samples[i].key
    if recipe.noise == "random":
        bound = config.epsilon_levels
        draw = generator(context.seed, "noise", shard.name, key)
        drawn = torch.randint(-bound, bound + 1, clean.shape, generator=draw, dtype=torch.int16)
        return project(drawn, clean, bound)
    if recipe.noise == "codebook" and state.topics:
        phase = torch.rand((), generator=generator(context.seed, "phase", shard.name, key)).item()
        return grating(state.topics[i], phase, clean, config)
    raise MismatchError(f"expected a protector that holds the noise of {context.config.method}, but it holds none")
