"""Pictures and samples for Hypothesis, and helpers that make hostile tars and small protected corpora."""

import io
import tarfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from mem_core.data.image_formats import IMAGE_EXTENSIONS
from mem_core.data.images import Picture
from mem_core.data.shard import Sample

seeds = st.integers(0, 2**32 - 1)


@st.composite
def pictures(draw: st.DrawFn, alpha: bool | None = None) -> Picture:
    """Small pictures, RGB or RGBA, with noise, flat areas and extremes; alpha may hide colours."""
    height, width = draw(st.integers(1, 17)), draw(st.integers(1, 17))
    random = np.random.default_rng(draw(seeds))
    levels = draw(st.sampled_from([(0, 256), (0, 2), (250, 256), (0, 1)]))
    pixels = random.integers(*levels, size=(height, width, 3)).astype(np.uint8)
    if not (draw(st.booleans()) if alpha is None else alpha):
        return Picture(pixels)
    mask = random.integers(0, draw(st.sampled_from([1, 2, 256])), size=(height, width)).astype(np.uint8)
    return Picture(pixels, mask)


keys = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="./\\"), min_size=1, max_size=20
)
captions = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(str.strip)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(st.text(max_size=8).filter(lambda name: name != "captions"), json_values, max_size=4)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    return Sample(
        draw(keys),
        draw(st.binary(min_size=1, max_size=1200)),
        draw(st.sampled_from(sorted(IMAGE_EXTENSIONS))),
        tuple(draw(st.lists(captions, min_size=1, max_size=5))),
        draw(metadata),
    )


shards = st.lists(samples(), min_size=1, max_size=6, unique_by=lambda sample: sample.key)


def tar_of(members: Iterable[tuple[str, bytes]], *, form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar of named bytes, written by the standard library."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def image_bytes(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def photo(seed: int = 0, width: int = 12, height: int = 8) -> np.ndarray:
    """uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, size=(height, width, 3)).astype(np.uint8)
