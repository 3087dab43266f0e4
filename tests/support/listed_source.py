"""A source in memory, and what a sharded corpus holds."""

import io
from collections.abc import Iterator

from PIL import Image

from mem_core.common.storage.folder import LocalFolder, read_bytes
from mem_core.data.corpus import list_shards
from mem_core.data.readers import LeftOut, RawSample
from mem_core.data.shard import Sample, read_shard
from mem_core.data.table import SampleRow, read_table


def jpeg(number: int, size: tuple[int, int] = (9, 7)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 7)).save(stream, "JPEG")
    return stream.getvalue()


class Listed:
    """A source in memory."""

    format = "listed"

    def __init__(self, samples: list[RawSample], uri: str = "/nowhere/source") -> None:
        self.samples, self.uri = samples, uri
        self.left_out: list[LeftOut] = []

    def __iter__(self) -> Iterator[RawSample]:
        return iter(self.samples)


def raw(number: int, split: str = "", *, good: bool = True, captions: tuple[str, ...] = ("one", "two")) -> RawSample:
    data = jpeg(number) if good else b"no image"
    return RawSample(f"{number}.jpg", lambda: data, captions, split, {"number": number})


def samples(folder: LocalFolder) -> list[Sample]:
    found: list[Sample] = []
    for shard in list_shards(folder):
        with folder.open(f"{shard}.tar") as stream:
            for sample in read_shard(stream, shard):
                assert isinstance(sample, Sample)
                found.append(sample)
    return found


def rows(folder: LocalFolder) -> list[SampleRow]:
    return [row for shard in list_shards(folder) for row in read_table(read_bytes(folder, f"{shard}.parquet"))]


def contents(folder: LocalFolder) -> dict[str, bytes]:
    return {name: read_bytes(folder, name) for name in folder.names()}
