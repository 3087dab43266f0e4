"""What an owner decides about published samples: what stands beside the pixels, and how visible noise may be."""

from typing import Literal

from pydantic import Field

from mem_core.frozen import Frozen


class MetadataConfig(Frozen):
    """What is published beside the pixels. Files never carry more than the colour profile; sidecars are filtered."""

    location: Literal["strip", "keep"] = Field("strip", description="sidecar entries that tell where a photo was taken")
    camera: Literal["strip", "keep"] = Field("strip", description="sidecar entries on the device, `exif` among them")
    rights: Literal["sidecar", "drop"] = Field(
        "sidecar", description="author, licence and opt-out found inside an image file: into its sidecar, or dropped"
    )
    note: Literal["sidecar", "file", "off"] = Field(
        "sidecar", description="says that a sample is protected: in key.json; in the image file too; nowhere"
    )


class QualityConfig(Frozen):
    """How visible noise may be. An image below a floor has its noise scaled back; one that stays below has failed."""

    min_psnr: float | None = Field(None, gt=0, le=100, description="floor in dB (8/255 random noise: about 35)")
    min_ssim: float | None = Field(None, ge=-1, le=1, description="floor, 1 for images that cannot be told apart")
