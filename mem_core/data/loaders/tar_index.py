"""Where the samples of a published tar lie in it, for loaders that read one without those before it."""

import tarfile
from dataclasses import dataclass, field
from typing import Any, cast

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder


@dataclass(frozen=True)
class Part:
    """One member of a sample, by its extension: where its bytes begin and how many they are."""

    extension: str
    offset: int
    size: int


@dataclass
class SampleIndex:
    """A sample's key, and where its first member's header begins."""

    key: str
    offset: int
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class TarIndex:
    """The samples of a tar in their order. end: where the last one's bytes, filled up to whole blocks, are over."""

    shard: str
    samples: list[SampleIndex]
    end: int

    @property
    def tar(self) -> str:
        """The name of the file."""
        return f"{self.shard}.tar"

    @property
    def bounds(self) -> list[int]:
        """Where each sample begins, and where the last one ends."""
        return [*(sample.offset for sample in self.samples), self.end]


def index_tar(folder: Folder, shard: str, samples: int | None = None) -> TarIndex:
    """Reads the tar through. Raises `MismatchError` if it cannot be read or holds other than so many samples.

    samples: None where nobody has said how many.
    """
    found: list[SampleIndex] = []
    try:
        with folder.open(f"{shard}.tar") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if not found or found[-1].key != key:
                    found.append(SampleIndex(key, member.offset))
                found[-1].parts.append(Part(extension, member.offset_data, member.size))
                cast(Any, tar).members.clear()  # tarfile keeps every header
            end = tar.offset
    except (tarfile.TarError, FileNotFoundError) as error:
        raise MismatchError(
            f"expected {shard}.tar in {folder.uri} as it was published, but it cannot be read: {error}"
        ) from error
    if samples is not None and len(found) != samples:
        raise MismatchError(
            f"expected {samples} samples in {shard}.tar in {folder.uri}, as its receipt says, got {len(found)}"
        )
    return TarIndex(shard, found, end)
