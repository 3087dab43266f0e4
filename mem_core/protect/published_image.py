"""What one image file becomes: noise within its budget, encoded, read back and compared. No torch is needed for it."""

from dataclasses import dataclass, replace

from mem_core.config import ProtectConfig
from mem_core.data.image_metadata import NOTE
from mem_core.data.images import Picture, audit_image, encode_image
from mem_core.perturb.codebook import Noise
from mem_core.protect.quality_floor import ScaledNoise, within_budget


@dataclass(frozen=True)
class PublishedImage:
    """A file to publish. shown: its pixels and their budget; difference: the largest to the clean image, in levels."""

    data: bytes
    shown: ScaledNoise
    difference: int


def published_image(clean: Picture, noise: Noise, config: ProtectConfig) -> PublishedImage:
    """noise: int8 [H, W, 3], projected. Raises `ImageError` for an image that no file within the budget can hold."""
    shown = within_budget(clean, noise, config.noise.epsilon_levels, config.quality)
    note = NOTE if config.metadata.note == "file" else ""
    data = encode_image(replace(clean, pixels=shown.pixels), config.image_format, note)
    return PublishedImage(data, shown, audit_image(clean, data, shown.levels))
