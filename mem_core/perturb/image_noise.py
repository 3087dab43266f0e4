"""Error-minimizing noise: projected gradient descent on the published pixels (paper, eq. 4)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from mem_core.config import NoiseConfig
from mem_core.device import autocast
from mem_core.models import DualEncoder
from mem_core.perturb.objective import Anchors, contrastive_loss
from mem_core.perturb.pixels import PixelBatch
from mem_core.portions import Portions


def update_noise(
    batch: PixelBatch,
    texts: Sequence[Tensor],
    encoder: DualEncoder,
    config: NoiseConfig,
    *,
    anchors: Anchors | None,
    precision: torch.dtype,
    draw: torch.Generator,
    portions: Portions | None = None,
) -> Tensor:
    """`num_steps` signed steps that LOWER the contrastive loss; changes the noise in `batch`.

    texts: features [B, D] of the captions an image is drawn to, one tensor for every caption draw; the steps
    cycle through them. The encoder must be frozen. Returns the loss before the last
    step, a scalar tensor. portions: how much the device takes at once, where that is known.
    Departure from the paper: the step is taken on the pixels that get published, through the resize and the
    trainer's crop, and in whole 8-bit levels, so nothing is lost when the image is encoded.
    """
    portions = Portions() if portions is None else portions

    def encode(seen: Tensor) -> Tensor:
        with autocast(seen.device, precision):
            return encoder.encode_image(seen)

    loss = torch.zeros(())
    for step in range(config.num_steps):
        views = batch.draw_views(config, encoder.image_size, draw)
        aim = partial(contrastive_loss, texts=texts[step % len(texts)], scale=encoder.logit_scale, anchors=anchors)
        loss, gradient = portions.descent(encode, batch.look(views), aim)
        batch.descend(views, gradient, config)
    return loss
