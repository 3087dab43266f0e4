"""CleanCLIP (Bansal et al. 2023): training goes on on clean pairs, with self-supervision within each tower.

    loss = contrastive(images, texts) + weight * (contrastive(images, images') + contrastive(texts, texts')) / 2

images' are wide crops of the same images, half of them mirrored; texts' have tokens dropped. Departures from the
paper: its AutoAugment and EDA are replaced by these two.
"""

import torch
from torch import Tensor

from mem_core.models import OpenClipEncoder
from mem_core.models.device import autocast
from mem_core.models.loss import contrastive_loss
from mem_core.models.views import boxes, view_of

_CROP = (0.4, 1.0)
_DROPPED = 0.2


def cleaning_step(
    model: OpenClipEncoder,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    tokens: Tensor,
    weight: float,
    precision: torch.dtype,
    draw: torch.Generator,
) -> Tensor:
    """One step on images float [B, 3, S, S] and token rows [B, T]; returns the loss, detached."""
    other_images, other_tokens = second_views(images, draw), drop_tokens(tokens, draw)
    with autocast(images.device, precision):
        image_features, text_features = model.encode_image(images), model.encode_text(tokens)
        others = model.encode_image(other_images), model.encode_text(other_tokens)
    scale = model.logit_scale
    within = contrastive_loss(image_features, others[0], scale) + contrastive_loss(text_features, others[1], scale)
    loss = contrastive_loss(image_features, text_features, scale) + weight * within / 2
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()


def second_views(images: Tensor, draw: torch.Generator) -> Tensor:
    """float [B, 3, S, S] -> the same shape: a random crop of each, half of them mirrored."""
    count, _, side, _ = images.shape
    view = view_of(boxes("random-crop", side, side, count, _CROP, draw), side, side, side, images.device)
    seen = view.look(images.transpose(1, 2))
    mirrored = (torch.rand(count, generator=draw) < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], seen.flip(3), seen)


def drop_tokens(tokens: Tensor, draw: torch.Generator) -> Tensor:
    """int64 [B, T] -> the same rows with a fifth of their words' tokens dropped; start and end stay, zeros fill up."""
    length = tokens.shape[1]
    place = torch.arange(length, device=tokens.device)
    end = tokens.argmax(dim=1, keepdim=True)  # the end token has the highest id, as CLIP itself finds it
    lucky = (torch.rand(tokens.shape, generator=draw) >= _DROPPED).to(tokens.device)
    kept = (lucky & (place < end)) | (place == 0) | (place == end)
    order = torch.where(kept, place, length + place).argsort(dim=1)  # kept ones first, in their order
    moved = tokens.gather(1, order)
    return moved.where(place < kept.sum(dim=1, keepdim=True), torch.zeros_like(moved))
