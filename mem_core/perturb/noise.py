"""The noise that an image is published with: the one place that chooses it."""

import numpy as np
import torch
from torch import Tensor

from mem_core.common.errors import MismatchError
from mem_core.common.rng import generator
from mem_core.data.images import Pixels
from mem_core.data.shard_cache import LoadedShard
from mem_core.perturb.codebook import Noise, sample_noise
from mem_core.perturb.context import FitContext
from mem_core.perturb.projection import project
from mem_core.perturb.state import ShardState
from mem_core.perturb.tint import tint


def noise_for(shard: LoadedShard, i: int, clean: Pixels, state: ShardState, context: FitContext) -> Noise:
    """int8 [H, W, 3] within the budget: what the method adds to image `i`, uint8 [H, W, 3], after the last round.

    Raises `MismatchError` if the protector lacks what the method needs.
    """
    recipe, config = context.recipe, context.config.noise
    if recipe.steps_noise:
        return _by_pixel(state.noise[i]) if recipe.publishes_noise else np.zeros_like(clean, dtype=np.int8)
    if recipe.noise == "none":
        return np.zeros_like(clean, dtype=np.int8)
    key = shard.samples[i].key
    if recipe.noise == "random":
        bound, height, width = config.epsilon_levels, *clean.shape[:2]
        draw = generator(context.draw_seed, "noise", shard.name, key)
        drawn = torch.randint(-bound, bound + 1, (3, height, width), generator=draw, dtype=torch.int16).to(torch.int8)
        return _by_pixel(project(drawn, torch.from_numpy(clean).permute(2, 0, 1), bound))
    if recipe.noise == "tint":
        return tint(clean, config.epsilon_levels, context.draw_seed, shard.name, key)
    if recipe.noise == "codebook" and state.topics:
        return sample_noise(state.topics[i], clean, config, context.draw_seed, shard.name, key, context.draw)
    raise MismatchError(f"expected a protector that holds the noise of {context.config.method}, but it holds none")


def _by_pixel(noise: Tensor) -> Noise:
    """[3, H, W] -> [H, W, 3], in the order of a picture's bytes."""
    return noise.permute(1, 2, 0).contiguous().numpy()
