"""Noise by projected gradient steps on the published pixels: down the loss (paper, eq. 5), or up (UAP, eq. 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mem_core.config import NoiseConfig
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.views import View
from mem_core.perturb.projection import project

_STEEP = 2.0**100  # a slope of 1e-30 is a step, too: what is smaller is none


def update_noise(
    batch: PixelBatch,
    texts: Sequence[Tensor],
    model: FrozenEncoder,
    config: NoiseConfig,
    draw: torch.Generator,
    *,
    uphill: bool = False,
) -> Tensor:
    """`num_steps` signed steps that LOWER the contrastive loss (uphill: raise it); changes the noise in `batch`.

    texts: features [B, D] of the captions of the images, one tensor for every caption draw; the steps cycle
    through them. draw: where the views come from. Returns the loss before the last step, a scalar tensor.
    Departure from the paper: the step is taken on the pixels that get published, through the resize and the
    trainer's crop, and in uint8 levels, so nothing is lost when the image is encoded.
    """
    loss = torch.zeros(())
    for step in range(config.num_steps):
        views = batch.draw_views(config.view, model.encoder.image_size, draw)
        loss, gradient = model.image_gradient(batch.look(views), texts[step % len(texts)])
        descend(batch, views, -gradient if uphill else gradient, config)
    return loss


def descend(batch: PixelBatch, views: Sequence[View], gradient: Tensor, config: NoiseConfig) -> None:
    """One signed step against the gradient on the views [B, 3, S, S], then the projection, in whole levels."""
    step, bound = config.step_levels, config.epsilon_levels
    for group, view in zip(batch.groups, views, strict=True):
        group.noise = group.noise.contiguous()  # none yet is one zero for all pixels
        steep = gradient[group.places] * _STEEP
        for piece in group.pieces():
            noise, slope = group.noise[piece], view.pull_back(steep[piece], piece)
            level = slope.clamp_(-step, step).to(torch.int8)
            stepped = noise.sub_(level) if bound + step <= 127 else noise.to(torch.int16) - level
            project(stepped, group.clean[piece], bound, out=noise)
