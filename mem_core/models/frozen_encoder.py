"""A frozen model as a batch is worked on with it: its precision, its micro-batches, its further negatives."""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from mem_core.models.device import autocast
from mem_core.models.loss import Anchors, contrastive_loss
from mem_core.models.microbatch import MicroBatcher
from mem_core.models.protocol import DualEncoder


@dataclass(frozen=True)
class FrozenEncoder:
    """encoder: none of its parameters asks for a gradient. anchors: pairs that fill a small batch up with negatives.

    micro_batcher: how much the device takes at once, shared by everyone who works on it.
    """

    encoder: DualEncoder
    precision: torch.dtype = torch.float32
    micro_batcher: MicroBatcher = field(default_factory=MicroBatcher)
    anchors: Anchors | None = None

    def encode_images(self, seen: Tensor) -> Tensor:
        """float [B, 3, S, S] in 0..1 -> float32 [B, D], unit rows, without a graph."""
        return self.micro_batcher.encode(self._images, seen)

    def encode_texts(self, rows: Tensor) -> Tensor:
        """Token rows int64 [B, T] -> float32 [B, D], unit rows, without a graph."""
        return self.micro_batcher.encode(self._texts, rows)

    def loss(self, images: Tensor, texts: Tensor) -> Tensor:
        """The contrastive loss of features [B, D] of both, a scalar."""
        return contrastive_loss(images, texts, self.encoder.logit_scale, self.anchors)

    def image_gradient(self, seen: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of images [B, 3, S, S] with text features [B, D], a scalar, and its gradient on the images."""
        return self.micro_batcher.descent(self._images, seen, partial(self.loss, texts=texts))

    def embedding_gradient(self, images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of the loss on the token embeddings of `rows`, [B, T, W], and their text features [B, D]."""
        with torch.enable_grad(), autocast(rows.device, self.precision):
            texts, embeddings = self.encoder.encode_text_tracked(rows)
        (gradient,) = torch.autograd.grad(self.loss(images, texts), embeddings)
        return gradient, texts.detach()

    def _images(self, seen: Tensor) -> Tensor:
        with autocast(seen.device, self.precision):
            return self.encoder.encode_image(seen)

    def _texts(self, rows: Tensor) -> Tensor:
        with autocast(rows.device, self.precision):
            return self.encoder.encode_text(rows)
