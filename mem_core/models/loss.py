"""The contrastive loss that training lowers, and that error-minimizing noise and triggers lower too."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Anchors:
    """Features of other pairs, float32 [A, D] unit rows each, that fill a small batch up with negatives."""

    images: Tensor
    texts: Tensor

    def first(self, count: int) -> "Anchors":
        return Anchors(self.images[:count], self.texts[:count])


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, anchors: Anchors | None = None) -> Tensor:
    """Symmetric InfoNCE (Radford et al. 2021, figure 3), mean over the batch, a scalar: the L of the paper's equations.

    images, texts: float32 [B, D] unit rows, row i of one belongs to row i of the other; scale: scalar.
    Departure: `anchors` are further negatives for both directions, so that a batch of few pairs (a short
    last shard) still pushes against as many others as a full one.
    """
    return pair_losses(images, texts, scale, anchors).mean()


def pair_losses(images: Tensor, texts: Tensor, scale: Tensor, anchors: Anchors | None = None) -> Tensor:
    """The loss of each pair, float32 [B]: the mean of its image-to-text and text-to-image cross entropy."""
    all_texts = texts if anchors is None else torch.cat([texts, anchors.texts])
    all_images = images if anchors is None else torch.cat([images, anchors.images])
    target = torch.arange(len(images), device=images.device)
    image_to_text = cross_entropy(scale * images @ all_texts.T, target, reduction="none")
    text_to_image = cross_entropy(scale * texts @ all_images.T, target, reduction="none")
    return (image_to_text + text_to_image) / 2
