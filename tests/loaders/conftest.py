"""Corpora as loaders meet them, and the environment that the loaders are installed in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.data.images import decode_image
from mem_core.data.loaders.index import write_index
from mem_core.data.loaders.shard_line import loadable, shard_line
from mem_core.data.manifest import read_manifest
from mem_core.data.shard import Sample, shard_bytes
from tests.support.corpora import encoded, open_again, photo, protect, samples_of, small
from tests.support.own_venv import own_venv

LOCK = Path(__file__).with_name("requirements.lock")
"""Made by: uv pip compile --no-deps --generate-hashes --no-header --python-version 3.11 requirements.in -o
requirements.lock; what these packages need besides is in our own environment."""

_CORPORA: dict[str, tuple[str, dict[str, tuple[int, frozenset[int]]]]] = {
    "gaps": ("png", {"00000": (12, frozenset({2, 3, 11})), "00002": (4, frozenset())}),
    "one": ("png", {"00000": (1, frozenset())}),
    "webp": ("webp", {"00000": (3, frozenset()), "00001": (2, frozenset({0}))}),
    "empty": ("png", {"00000": (2, frozenset({0, 1})), "00001": (3, frozenset()), "00002": (1, frozenset({0}))}),
    "named": ("png", {"crawl-09": (2, frozenset()), "crawl-10": (2, frozenset()), "night": (1, frozenset())}),
}
"""Image format, and of each shard how many samples it has and which of them cannot be protected."""


@dataclass(frozen=True)
class Corpus:
    """A protected corpus, `protected` in a folder. line: its tars in braces; pairs: caption -> hash of the pixels."""

    folder: Path
    image_format: str
    line: str
    pairs: Mapping[str, str]

    def adapted(self, snippet: str) -> str:
        """A snippet of the docs for this corpus: its tars, its image format, its place, as caches go by it."""
        shown = snippet.replace("protected/{00000..00041}.tar", self.line)
        shown = shown.replace("41000", str(len(self.pairs))).replace("png", self.image_format)
        return shown.replace('"protected', f'"{self.folder}/protected')


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    """All kinds, by name, indexed."""
    return {name: _corpus(tmp_path_factory.mktemp(name), *kind) for name, kind in _CORPORA.items()}


@pytest.fixture(scope="session")
def loaders_python() -> Path:
    """The interpreter that has the loaders, beside all that we have."""
    return own_venv(".venv-loaders", LOCK, beside_ours=True)


def _corpus(folder: Path, image_format: str, shards: Mapping[str, tuple[int, frozenset[int]]]) -> Corpus:
    clean, dest = LocalFolder(folder / "clean"), LocalFolder(folder / "protected")
    for shard, (count, broken) in shards.items():
        samples = [_sample(f"{shard}{number:04d}", number, number in broken) for number in range(count)]
        write_bytes(clean, f"{shard}.tar", shard_bytes(samples))
    protect(open_again(clean, dest, small(method="random-noise", image_format=image_format)))
    write_index(dest)
    manifest = read_manifest(dest)
    assert manifest is not None
    kept = loadable(manifest)
    published = [sample for shard in kept for sample in samples_of(dest, shard)]
    pairs = {sample.captions[0]: _hash(sample.image) for sample in published}
    wanted = [
        f"picture {shard}{n:04d}" for shard, (count, broken) in shards.items() for n in set(range(count)) - broken
    ]
    assert sorted(pairs) == sorted(wanted)
    assert len(set(pairs.values())) == len(published)
    return Corpus(folder, image_format, shard_line(dest.uri, list(kept)), pairs)


def _sample(key: str, number: int, broken: bool) -> Sample:
    """Metadata differ from sample to sample, as those of a crawl do."""
    image = encoded(photo(int(hashlib.sha256(key.encode()).hexdigest()[:8], 16), 24 + number, 20))
    metadata = {"width": number if number % 4 else "unknown"} | ({"license": "CC BY"} if number > 5 else {})
    captions = (f"picture {key}", "another one")[: 1 + number % 2]
    return Sample(key, image[:90] if broken else image, "png", captions, metadata)


def _hash(image: bytes) -> str:
    return hashlib.sha256(np.ascontiguousarray(decode_image(image, max_pixels=10_000).pixels).tobytes()).hexdigest()
