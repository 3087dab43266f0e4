"""Features of twin pairs: from a model at hand, or from vectors that somebody else's model gave."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from mem_core.audit.evidence.pairs import DrawnPair
from mem_core.audit.evidence.scores import Features, Score, TwinFeatures
from mem_core.common.errors import SourceError
from mem_core.config import RuntimeConfig
from mem_core.data.images import decode_image
from mem_core.models import OpenClipEncoder, tokenizer_for
from mem_core.models.device import autocast, resolve_device, resolve_precision
from mem_core.models.image_batch import seen_at_centre
from mem_core.models.token_rows import without_padding

Item = TypeVar("Item")
_AT_ONCE = 256
_MAX_PIXELS = 2**40  # memshield wrote these images
_READS: dict[Score, tuple[str, ...]] = {
    "words": ("captions",),
    "own-trigger": ("triggers",),
    "caption": ("captions",),
    "noise": ("plain",),
    "loss": ("captions",),
}


class Encoder(Protocol):
    """What gives vectors for images and texts, all of one width. Rows need not be of length one."""

    def images(self, files: Sequence[bytes]) -> Features:
        """Image files -> float64 [N, D]."""
        ...

    def texts(self, texts: Sequence[str]) -> Features:
        """Texts -> float64 [N, D]."""
        ...


class ModelEncoder:
    """A frozen model, asked as victims are: the whole image at the model's own size, the text as it is written."""

    def __init__(self, model: OpenClipEncoder, runtime: RuntimeConfig) -> None:
        self._device = resolve_device(runtime)
        self._precision = resolve_precision(runtime, self._device)
        self._model, self._tokenizer = model.to(self._device).freeze(), tokenizer_for(model)

    def images(self, files: Sequence[bytes]) -> Features:
        """Image files -> float64 [N, D]."""
        return np.concatenate([self._read(self._seen(part), self._model.encode_image) for part in _parts(files)])

    def texts(self, texts: Sequence[str]) -> Features:
        """Texts -> float64 [N, D]. Those of equal length go together, so that none is padded for a longer one."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        rows = [self._tokenizer.encode([texts[place] for place in part]) for part in _parts(order)]
        found = [self._read(without_padding(part).to(self._device), self._model.encode_text) for part in rows]
        return np.concatenate(found)[np.argsort(order)]

    def _seen(self, files: Sequence[bytes]) -> Tensor:
        pictures = [decode_image(file, max_pixels=_MAX_PIXELS) for file in files]
        pixels = [torch.from_numpy(picture.pixels).permute(2, 0, 1) for picture in pictures]
        return seen_at_centre(pixels, self._model.image_size, self._device)

    def _read(self, seen: Tensor, encode: "_Encode") -> Features:
        with torch.no_grad(), autocast(self._device, self._precision):
            return np.asarray(encode(seen).double().cpu().numpy())


class _Encode(Protocol):
    def __call__(self, seen: Tensor, /) -> Tensor: ...


def _parts(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def texts_read(pair: DrawnPair, scores: Iterable[Score]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The texts of a pair that some scores read: by field of `TwinFeatures`, a group of texts for each row."""
    wanted = {field for score in scores for field in _READS[score]}
    known: dict[str, tuple[tuple[str, ...], ...]] = {
        "captions": pair.captions,
        "triggers": tuple((one,) for one in pair.triggers),
        "plain": (pair.plain,),
    }
    return {field: groups for field, groups in known.items() if field in wanted}


def features_of(pairs: Sequence[DrawnPair], encoder: Encoder, scores: Sequence[Score]) -> TwinFeatures:
    """The features of a block of pairs that some scores read; the others are zero. What is equal is encoded once.

    Raises `SourceError` if images and texts have vectors of different widths, or a vector is not finite.
    """
    files = list(dict.fromkeys(file for pair in pairs for file in pair.images))
    texts = [texts_read(pair, scores) for pair in pairs]
    words = list(dict.fromkeys(one for read in texts for groups in read.values() for group in groups for one in group))
    seen, read_as = _unit(encoder.images(files), "images"), _unit(encoder.texts(words), "texts")
    if seen.shape[1] != read_as.shape[1]:
        raise SourceError(
            f"expected vectors of images and texts of one width, got {seen.shape[1]} numbers for an image and "
            f"{read_as.shape[1]} for a text"
        )
    place_of = {file: place for place, file in enumerate(files)}
    row_of = {text: row for row, text in enumerate(words)}
    images = np.stack([seen[[place_of[pair.images[draw]] for pair in pairs]] for draw in (0, 1)])

    def rows(field: str, draw: int) -> Features:
        if field not in texts[0]:
            return np.zeros((len(pairs), seen.shape[1]))
        return np.stack([read_as[[row_of[one] for one in read[field][draw]]].mean(0) for read in texts])

    captions, triggers = (np.stack([rows(field, draw) for draw in (0, 1)]) for field in ("captions", "triggers"))
    return TwinFeatures(images=images, captions=captions, triggers=triggers, plain=rows("plain", 0))


def _unit(rows: Features, what: str) -> Features:
    if not np.isfinite(rows).all():
        raise SourceError(f"expected finite vectors of {what}, got NaN or infinity")
    rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12)  # so that no square overflows
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
