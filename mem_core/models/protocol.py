"""What memshield asks of an image-text model, whatever library it comes from."""

from typing import Protocol

from torch import Tensor


class DualEncoder(Protocol):
    """Two towers into one space of unit vectors."""

    @property
    def image_size(self) -> int:
        """Side S of the square the image tower takes, in pixels."""
        ...

    @property
    def context_length(self) -> int:
        """Length T of a token row, start and end token included."""
        ...

    def encode_image(self, images: Tensor) -> Tensor:
        """float [B, 3, S, S] in 0..1, not normalised by mean and deviation -> float32 [B, D], unit rows."""
        ...

    def encode_text(self, tokens: Tensor) -> Tensor:
        """int64 [B, T] -> float32 [B, D], unit rows. T may be less than the context if only padding is missing."""
        ...

    def encode_text_tracked(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """As `encode_text`, and the token embeddings [B, T, W] that a gradient can be taken to."""
        ...

    @property
    def token_embeddings(self) -> Tensor:
        """The embedding of every token id, float [V, W]."""
        ...

    @property
    def logit_scale(self) -> Tensor:
        """Factor on cosine similarities, a positive scalar (not its logarithm)."""
        ...
