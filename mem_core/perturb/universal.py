"""UAP: one pattern for all images that RAISES the contrastive loss (the adversarial baseline of the paper)."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mem_core.config import NoiseConfig
from mem_core.models import DualEncoder
from mem_core.models.device import autocast
from mem_core.models.loss import contrastive_loss
from mem_core.perturb.projection import project


def raise_loss(
    pattern: Tensor,
    stream: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    encoder: DualEncoder,
    config: NoiseConfig,
    precision: torch.dtype,
) -> Tensor:
    """`steps` signed gradient steps up, one batch each; pattern: float32 [3, S, S] in levels of 1/255."""
    for _ in range(steps):
        images, tokens = next(stream)
        moving = pattern.clone().requires_grad_()
        with autocast(images.device, precision):
            features = encoder.encode_image((images + moving / 255).clamp(0, 1))
            with torch.no_grad():
                texts = encoder.encode_text(tokens)
        (gradient,) = torch.autograd.grad(contrastive_loss(features, texts, encoder.logit_scale), moving)
        stepped = pattern + config.step_levels * gradient.sign()
        pattern = stepped.clamp(-config.epsilon_levels, config.epsilon_levels)
    return pattern


def pattern_noise(pattern: Tensor, clean: Tensor, config: NoiseConfig) -> Tensor:
    """The pattern [3, S, S] at the size of an image uint8 [3, H, W], as publishable noise int8 [3, H, W]."""
    stretched = interpolate(pattern.unsqueeze(0), size=clean.shape[1:], mode="bilinear", align_corners=False)
    return project(stretched.squeeze(0).round().to(torch.int16), clean, config.epsilon_levels)
