"""How a source becomes clean shards."""

import codecs
from typing import Any, Literal

from pydantic import Field, field_validator

from mem_core.config.base import Frozen, unit

_VALIDATION = 500
_YOUNGER = {"animated": "refuse", "encoding": "utf-8", "caption_key": "", "image_key": "", "protected": "refuse"}


class IdentitiesConfig(Frozen):
    """How folders of photos, one a person or thing, become image-caption pairs."""

    templates: tuple[str, ...] = Field((), description="captions with {name} in them; empty: five usual ones")
    captions: Literal["all", "one"] = Field(
        "all", description="all: a caption by each template; one: by a template drawn for each photo (paper)"
    )
    hold_out: bool = Field(False, description="one photo of each identity with two or more goes to `test`")
    rename: bool = Field(False, description="captions with invented names, drawn from the seed")


class CorpusConfig(Frozen):
    """How a source becomes clean shards."""

    samples_per_shard: int = Field(
        1000, ge=1, le=10_000, description="how many samples one tar holds", json_schema_extra=unit("samples")
    )
    one_sample_per: Literal["image", "pair"] = Field(
        "image",
        description="image: a sample has all captions of its image; pair: a sample a caption, shuffled by the seed",
    )
    resize: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="the shorter side to so many pixels, then the square in the middle (paper: 224); smaller ones "
        "grow; null: every image keeps its size",
        json_schema_extra=unit("pixels"),
    )
    limit: int | None = Field(
        None, ge=1, description="take only the first images of each split", json_schema_extra=unit("images")
    )
    test_limit: int | None = Field(
        None, ge=1, description="in place of `limit` for every split but `train`", json_schema_extra=unit("images")
    )
    holdout: float = Field(0.0, ge=0, lt=1, description="share put into `test` when the source names no splits")
    validation: int = Field(
        _VALIDATION,
        ge=0,
        description="images held out of `train` as `val`, 0 or at least 2 and at most a tenth, where the source has "
        "test images, named or by `holdout`, but none for validation",
        json_schema_extra=unit("images"),
    )
    max_pixels: int = Field(
        64_000_000, ge=1, description="larger images are recorded as failed", json_schema_extra=unit("pixels")
    )
    animated: Literal["refuse", "first-frame"] = Field(
        "refuse", description="what becomes of a file with several frames: a failed row, or its first frame is taken"
    )
    encoding: str = Field(
        "utf-8",
        description="encoding of text files without a byte order mark, by Python's names: latin-1, cp1252, utf-16-le",
    )
    caption_key: str = Field("", description="the column or key of the captions, where it has none of the usual names")
    image_key: str = Field(
        "", description="the column or key of the image or its path, where it has none of the usual names"
    )
    protected: Literal["refuse", "accept"] = Field(
        "refuse", description="what becomes of samples that memshield protected before: failed rows, or taken as clean"
    )
    identities: IdentitiesConfig = IdentitiesConfig()

    @field_validator("validation")
    @classmethod
    def _ranks(cls, images: int) -> int:
        if images == 1:
            raise ValueError("expected 0 or at least 2 images for validation: one image ranks first among itself")
        return images

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            "a".encode(name).decode(name, "backslashreplace")  # which those for the names of servers cannot do
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"expected an encoding of text, such as utf-8, latin-1 or utf-16-le, got {name!r}"
            ) from error
        return codecs.lookup(name).name

    def made_with(self) -> dict[str, Any]:
        """What a clean corpus is marked with. What is younger than the mark says itself only where it changes anything,
        so that a corpus of 0.3.0 goes on; one that 0.3.0 squashed to `resize` does not, as its photos differ, nor one
        of pairs, which 0.3.0 left side by side.
        """
        settings = self.model_dump(mode="json")
        for younger, usual in _YOUNGER.items():
            if settings[younger] == usual:
                del settings[younger]
        if self.identities.captions == "all":
            del settings["identities"]["captions"]
        if self.one_sample_per == "pair":
            settings["one_sample_per"] = "pair, shuffled"
        if self.validation == _VALIDATION:
            del settings["validation"]
        if self.resize is not None:
            settings["resize"] = f"{self.resize}, the middle"
        return settings
