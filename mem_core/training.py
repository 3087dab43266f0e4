"""One contrastive training step, shared by surrogate and victim."""

import torch
from torch import Tensor

from mem_core.device import autocast
from mem_core.models import OpenClipEncoder
from mem_core.perturb.objective import contrastive_loss

_BETAS, _EPS = (0.9, 0.98), 1e-6  # open_clip's and the paper's AdamW


def make_optimizer(model: OpenClipEncoder, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW; no decay on norms, biases and the logit scale."""
    named = list(model.named_parameters())
    plain = [value for name, value in named if value.ndim < 2 or "logit_scale" in name]
    decayed = [value for name, value in named if not (value.ndim < 2 or "logit_scale" in name)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=_BETAS, eps=_EPS, fused=True)


def training_step(
    model: OpenClipEncoder, optimizer: torch.optim.Optimizer, images: Tensor, tokens: Tensor, precision: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """One AdamW step on images float [B, 3, S, S] in 0..1 and their token rows [B, T].

    Returns the loss (scalar) and both towers' features [B, D], detached and still on the device.
    """
    with autocast(images.device, precision):
        image_features, text_features = model.encode_image(images), model.encode_text(tokens)
    loss = contrastive_loss(image_features, text_features, model.logit_scale)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach(), image_features.detach(), text_features.detach()
