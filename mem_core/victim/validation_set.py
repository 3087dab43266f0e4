"""Which images the best epoch of a victim was chosen on."""

import hashlib
from collections.abc import Iterable

from mem_core.common.errors import SourceError
from mem_core.config import Frozen
from mem_core.data.shard import Sample

FEW_PAIRS = 50
"""Fewer validation pairs than this hardly tell one epoch from the next; it is said, not refused."""

_DIGITS = 16


class ValidationSet(Frozen):
    """Which images the best epoch was chosen on: the first digits of the SHA-256 of each file."""

    corpus: str
    images: tuple[str, ...]

    @property
    def few(self) -> bool:
        """Whether they are too few to choose an epoch by with confidence."""
        return len(self.images) < FEW_PAIRS

    def require_apart(self, samples: Iterable[Sample], test: str) -> None:
        """Raises `SourceError` if one of the test samples has an image that the epoch was chosen on."""
        own = set(self.images)
        shared = next((sample.key for sample in samples if image_digest(sample) in own), None)
        if shared is not None:
            raise SourceError(
                f"expected validation pairs that share no image with the test pairs, but sample {shared} of {test} is "
                f"among the validation pairs of {self.corpus}: an epoch chosen on test images scores too well there; "
                "choose another validation split"
            )


def image_digest(sample: Sample) -> str:
    """Tells image files apart; half of a SHA-256's digits would do for far more images than any corpus has."""
    return hashlib.sha256(sample.image).hexdigest()[:_DIGITS]
