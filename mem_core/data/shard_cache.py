"""A shard in memory, with its pixels decoded, and the clean corpus, whose last shards stay there."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, overload

import torch
from torch import Tensor

from mem_core.common.errors import SampleError, SourceError
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import HashingReader
from mem_core.data.already import protected_already
from mem_core.data.corpus import count_samples, input_hashes, input_sha256_of, list_shards
from mem_core.data.images import Picture, by_row, decode_image
from mem_core.data.shard import Broken, Sample, open_tar, read_shard

_CHUNK = 1 << 20


@dataclass(frozen=True)
class LoadedShard:
    """The usable samples of a shard in their order; `broken` holds the others.

    `rows` lists the key of every sample of the tar in its order, usable or not; a usable one that is in neither was
    left out by a countermeasure. size: bytes of the tar.
    """

    name: str
    sha256: str
    rows: list[str]
    samples: list[Sample]
    pictures: Sequence[Picture]
    broken: dict[str, Broken]
    raw: dict[str, Sample] = field(default_factory=dict)
    size: int = 0

    @property
    def keys(self) -> list[str]:
        return [sample.key for sample in self.samples]

    @cached_property
    def places(self) -> dict[str, int]:
        """Key -> place among the usable samples."""
        return {sample.key: i for i, sample in enumerate(self.samples)}

    @property
    def usable(self) -> int:
        """How many samples of the tar can be used, left out or not."""
        return len(self.rows) - len(self.broken)

    def first(self, count: int) -> "LoadedShard":
        """The shard with none but the first `count` usable samples of its tar, as far as it holds them."""
        first = set([key for key in self.rows if key not in self.broken][:count])
        held = sum(key in first for key in self.keys)
        return replace(self, samples=self.samples[:held], pictures=self.pictures[:held])

    def pixels(self, index: int) -> Tensor:
        """uint8 [3, H, W] of one image; shares memory with its picture."""
        return torch.from_numpy(self.pictures[index].pixels).permute(2, 0, 1)

    def pixel_bytes(self, index: int) -> int:
        """How much memory the pixels of one image take; nothing is decoded to say so."""
        pictures = self.pictures
        return pictures.sizes[index] if isinstance(pictures, Pictures) else pictures[index].pixels.nbytes

    @property
    def nbytes(self) -> int:
        """About how much memory the pixels and files hold."""
        held = self.pictures
        pixels = held.nbytes if isinstance(held, Pictures) else sum(picture.pixels.nbytes for picture in held)
        return pixels + sum(len(sample.image) for sample in self.samples)


def load_shard(
    folder: Folder,
    name: str,
    max_pixels: int,
    *,
    max_bytes: int = sys.maxsize,
    protected: Literal["refuse", "accept"] = "accept",
) -> LoadedShard:
    """Reads and decodes one clean shard. Raises `SourceError` if the tar as a whole cannot be trusted.

    A sample that cannot be used is kept in `broken` with its reason, its bytes in `raw` where they could be read.
    max_bytes: decoded pixels to hold; images beyond are decoded now to judge them, and again at each use. protected:
    `refuse` if a sample that was protected before cannot be used.
    """
    rows: list[str] = []
    samples: list[Sample] = []
    pictures = Pictures(max_pixels, max_bytes)
    broken: dict[str, Broken] = {}
    raw: dict[str, Sample] = {}
    with open_tar(folder, name) as stream:
        reader = HashingReader(stream)
        for found in read_shard(reader, f"{name} in {folder.uri}"):
            rows.append(found.key)
            if isinstance(found, Broken):
                broken[found.key] = found
                continue
            try:
                if protected == "refuse" and (
                    why := protected_already(found.image, found.metadata, "protect.protected")
                ):
                    raise SampleError(why, code="protected-already")
                pictures.append(found.image)
            except SampleError as error:
                broken[found.key], raw[found.key] = Broken(found.key, str(error), error.code), found
                continue
            samples.append(found)
        while reader.read(_CHUNK):
            pass
        sha256 = reader.hexdigest()
    return LoadedShard(name, sha256, rows, samples, pictures, broken, raw, reader.size)


@dataclass
class Failures:
    """How many samples of some shards cannot be used, and the first of them: for the sentence where too few can."""

    count: int = 0
    first: Broken | None = None

    def add(self, shard: LoadedShard) -> None:
        """Counts those of a shard."""
        self.count += len(shard.broken)
        self.first = self.first or next(iter(shard.broken.values()), None)

    def error(self, what: str) -> SourceError:
        """The sentence, with why the first cannot be used; `shard` gives new keys to those whose key is the reason."""
        if self.first is None:
            return SourceError(what)
        why = f"{what}: {counted(self.count, 'sample')} failed, the first, {self.first.key}, as {self.first.reason}"
        return SourceError(why, hint="shard the source" if self.first.code == "bad-key" else None, about="SOURCE")


class CleanCorpus:
    """The clean corpus as protecting reads it, shared by all devices: names and hashes are looked up once.

    The last shards stay decoded, up to a number of bytes: rounds visit every shard many times. A single shard larger
    than that keeps as many of its images decoded, and is not kept itself.
    """

    def __init__(
        self,
        folder: Folder,
        max_pixels: int,
        max_bytes: int,
        protected: Literal["refuse", "accept"] = "refuse",
    ) -> None:
        self.folder, self._max_pixels, self.max_bytes = folder, max_pixels, max_bytes
        self._protected = protected
        self._held: OrderedDict[str, LoadedShard] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def shards(self) -> list[str]:
        """The names of the clean shards."""
        return list_shards(self.folder)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Shard -> SHA-256 of its clean tar."""
        return input_hashes(self.folder)

    def count(self, shards: Collection[str]) -> int:
        """How many samples some of the shards hold, usable or not."""
        return count_samples(self.folder, shards)

    def hash_now(self, shard: str) -> str:
        """The SHA-256 of one clean tar as it is now, which may be another than when the run began."""
        return input_sha256_of(self.folder, shard)

    def load(self, name: str) -> LoadedShard:
        """The shard, from memory if it is still there."""
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
                return self._held[name]
        shard = load_shard(self.folder, name, self._max_pixels, max_bytes=self.max_bytes, protected=self._protected)
        with self._lock:
            self._held[name] = shard
            while self._held and sum(held.nbytes for held in self._held.values()) > self.max_bytes:
                self._held.popitem(last=False)
        return shard


class Pictures(Sequence[Picture]):
    """max_bytes: decoded pixels to keep. The files' own bytes are shared with the samples, not copied.

    sizes: bytes of each image's pixels, kept or not. nbytes: those of the kept ones.
    """

    def __init__(self, max_pixels: int, max_bytes: int) -> None:
        self._max_pixels, self._max_bytes = max_pixels, max_bytes
        self._kept: list[Picture | bytes] = []
        self.sizes: list[int] = []
        self.nbytes = 0

    def append(self, file: bytes) -> None:
        """Decodes a further image. Raises `ImageError` if that cannot be done; then nothing is added.

        A kept one lies in memory as `by_row` says.
        """
        picture = decode_image(file, max_pixels=self._max_pixels)
        keeps = self.nbytes + picture.pixels.nbytes <= self._max_bytes
        self.nbytes += picture.pixels.nbytes if keeps else 0
        self._kept.append(replace(picture, pixels=by_row(picture.pixels)) if keeps else file)
        self.sizes.append(picture.pixels.nbytes)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> "Pictures": ...
    def __getitem__(self, index: int | slice) -> "Picture | Pictures":
        if isinstance(index, slice):
            part = Pictures(self._max_pixels, self._max_bytes)
            part._kept, part.sizes = self._kept[index], self.sizes[index]
            part.nbytes = sum(found.pixels.nbytes for found in part._kept if isinstance(found, Picture))
            return part
        found = self._kept[index]
        return found if isinstance(found, Picture) else decode_image(found, max_pixels=self._max_pixels)
