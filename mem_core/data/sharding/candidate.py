"""Candidate samples, decoded and validated once."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mem_core.common.errors import CaptionError, SampleError
from mem_core.common.reasons import Code
from mem_core.config import CorpusConfig
from mem_core.data.already import protected_already
from mem_core.data.image_formats import picture_format
from mem_core.data.images import crop_to_square, decode_image, encode_image
from mem_core.data.readers import RawSample
from mem_core.data.texts import has_words

_ENCODER = json.JSONEncoder(sort_keys=True)  # `json.dumps` would make one for each sample
_OURS = ("captions", "name", "width", "height", "sha256")


@dataclass(frozen=True)
class DecodedImage:
    """An image that decodes.

    data: the file as it will be published in the clean corpus; sizes in pixels. note: what in the source's file was
    broken and is not looked at, "" for nothing. sha256: of data, "" where nobody has hashed it yet.
    """

    data: bytes
    extension: str
    width: int
    height: int
    note: str = ""
    sha256: str = ""


class SourceImage:
    """The image of one raw sample: nothing is read before it is asked for, and nothing twice."""

    def __init__(self, raw: RawSample, config: CorpusConfig) -> None:
        self.raw, self._config = raw, config

    @cached_property
    def data(self) -> bytes | SampleError:
        """The bytes in the source, or why they cannot be read."""
        try:
            return self.raw.image()
        except SampleError as error:
            return error

    @cached_property
    def sha256(self) -> str:
        """Of the bytes in the source; "" if there are none."""
        return "" if isinstance(self.data, SampleError) else hashlib.sha256(self.data).hexdigest()

    @cached_property
    def trouble(self) -> str:
        """Why there are no bytes, "" if there are."""
        return str(self.data) if isinstance(self.data, SampleError) else ""

    def require_clean(self, metadata: dict[str, Any]) -> None:
        """Raises `SampleError` for what was protected before, unless that is accepted."""
        if self._config.protected == "accept" or isinstance(self.data, SampleError):
            return
        if why := protected_already(self.data, metadata, "corpus.protected"):
            raise SampleError(why, code="protected-already")

    @cached_property
    def decoded(self) -> DecodedImage | SampleError:
        """The image after a trial decode, or why it cannot be used.

        Written anew where it is not the file's one picture as it is: the resize with its crop, the first of frames.
        """
        if isinstance(self.data, SampleError):
            return self.data
        try:
            picture = decode_image(self.data, max_pixels=self._config.max_pixels, animated=self._config.animated)
            note, extension = "; ".join(picture.notes), picture_format(self.data).suffixes[0]
            if self._config.resize is None and not picture.first_frame:
                return DecodedImage(self.data, extension, picture.width, picture.height, note, self.sha256)
            if self._config.resize is not None:
                picture = crop_to_square(picture, self._config.resize)
            return DecodedImage(encode_image(picture, "png"), "png", picture.width, picture.height, note)
        except SampleError as error:
            return error


@dataclass(frozen=True)
class Candidate:
    """One candidate sample, which may turn out to be unusable."""

    name: str
    split: str
    captions: tuple[str, ...]
    metadata: dict[str, Any]
    problem: str
    code: Code
    image: SourceImage

    def checked(self) -> DecodedImage:
        """The image, if everything about the sample can be used. Raises `SampleError` with the reason."""
        if self.problem:
            raise SampleError(self.problem, code=self.code)
        if trouble := caption_trouble(self.captions):
            raise CaptionError(trouble[1], code=trouble[0])
        self.image.require_clean(self.metadata)
        if isinstance(self.image.decoded, SampleError):
            raise self.image.decoded
        return self.image.decoded

    def digest(self) -> bytes:
        """SHA-256 of all that the source says of this sample, image bytes included."""
        parts = [self.name, self.captions, self.metadata, self.problem, self.image.trouble, self.image.sha256]
        return hashlib.sha256(_ENCODER.encode(parts).encode()).digest()

    def published_metadata(self, image: DecodedImage) -> dict[str, Any]:
        """What the source knew, the name it had there, and width, height (pixels) and hash of the file."""
        kept = {key: value for key, value in self.metadata.items() if key not in _OURS}
        sha256 = image.sha256 or hashlib.sha256(image.data).hexdigest()
        return {**kept, "name": self.name, "width": image.width, "height": image.height, "sha256": sha256}


def caption_trouble(captions: Sequence[str]) -> tuple[Code, str] | None:
    """Why an image with these captions cannot be used."""
    if not captions:
        return "no-caption", "expected a caption, got none"
    if not any(map(has_words, captions)):
        return "empty-caption", f"expected words in a caption, got {captions[0][:80]!r}"
    return None


def candidates(raw: RawSample, config: CorpusConfig) -> Iterator[Candidate]:
    """The candidate samples of one image: one, or with `one_sample_per: pair` one for each caption."""
    image = SourceImage(raw, config)
    if config.one_sample_per == "image" or len(raw.captions) < 2:
        yield Candidate(raw.name, raw.split, raw.captions, raw.metadata, raw.problem, raw.code, image)
        return
    for index, caption in enumerate(raw.captions):
        metadata = {**raw.metadata, "caption_index": index}
        yield Candidate(raw.name, raw.split, (caption,), metadata, raw.problem, raw.code, image)
