"""A shard: a WebDataset tar in, a WebDataset tar out, over plain streams.

Reading trusts nothing. What concerns one sample becomes `Broken(key, reason)` in its place; what makes the tar
as a whole untrustworthy raises `SourceError`. Because a tar is read as a stream, that may come after good samples:
what was read is only to be believed once the iterator has ended.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from mem_core.common.errors import CaptionError, SampleError, SourceError
from mem_core.common.reasons import Code
from mem_core.common.storage.folder import Folder
from mem_core.data.image_formats import IMAGE_EXTENSIONS
from mem_core.data.receipt import has_receipt
from mem_core.data.tar_header import member_header
from mem_core.data.tar_reader import MAX_IMAGE_BYTES, MAX_TEXT_BYTES, Group, Readable, check_key, members, shown
from mem_core.data.texts import encode_metadata, read_captions


class Writable(Protocol):
    """What `ShardWriter` asks of a stream: it takes bytes, forwards."""

    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True)
class Sample:
    """One image file as it is, its captions, and what else is known (a JSON object without "captions")."""

    key: str
    image: bytes
    extension: str
    captions: tuple[str, ...]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """A sample of the tar that cannot be used, at its place in the order."""

    key: str
    reason: str
    code: Code = "unusable"


def read_shard(stream: Readable, shard: str) -> Iterator[Sample | Broken]:
    """The samples of a shard as it is used, ours or another's, in their order, holding one sample in memory.

    Keys of what is yielded are unique: a repeated one is broken under the name `key#2`. Consecutive members with the
    same name up to the first dot are one sample: one image, `key.txt` (one caption) and/or `key.json` (metadata; for
    captions in it see `read_captions`; empty ones beside others are left out). Other members are left out, as are
    directories and names that begin with a dot. JSON's non-standard NaN and Infinity become null. Keys come out as they
    went in, so those that other readers would misread are broken: `shard`, which gives new ones, takes such tars.

    Raises `SourceError` if the tar is not one, is cut short (also at a member boundary: a tar without its closing
    zero block is taken as cut, because what followed would be lost unseen), has data after its end, holds links,
    devices or sparse files, or names that lead outside (`..`, absolute).
    """
    seen: dict[str, int] = {}
    for group in members(stream, shard, kept=IMAGE_EXTENSIONS | {"txt", "json"}):
        for item in _samples(group):
            if item.key in seen:
                reason = (
                    f"expected each key once and its members side by side, but {item.key} came before in the shard: "
                    "sharding it anew joins what stands apart"
                )
                item = Broken(_another(item.key, seen), reason, "duplicate")
            seen[item.key] = 1
            yield item


def _another(key: str, seen: dict[str, int]) -> str:
    """`key#2`, `key#3`...: tables and receipts count samples by key, so a repeated one needs a name of its own."""
    while True:
        seen[key] += 1
        if f"{key}#{seen[key]}" not in seen:
            return f"{key}#{seen[key]}"


def _samples(group: Group) -> Iterator[Sample | Broken]:
    """The sample of a group; more than one only where dots in keys made webdataset's rule merge several."""
    for stem in group.merged(IMAGE_EXTENSIONS):
        reason = (
            "expected a key without dots, as WebDataset would merge this sample with its neighbours: sharding it anew "
            "gives it another"
        )
        yield Broken(shown(stem), reason, "bad-key")
    if not group.parts and group.dotted:
        return
    try:
        yield _sample(group)
    except SampleError as error:
        yield Broken(shown(group.key), str(error), error.code)


def _sample(group: Group) -> Sample:
    check_key(group.key)
    if group.problem:
        raise SampleError(group.problem, code=group.code)
    images = [extension for extension in group.parts if extension in IMAGE_EXTENSIONS]
    if len(images) != 1:
        found = ", ".join(images) if images else ", ".join(group.others) or "no other member"
        code: Code = "ambiguous-image" if images else "no-image"
        raise SampleError(f"expected one image, got {len(images)} ({found})", code=code)
    image = group.parts[images[0]]
    if not image:
        raise SampleError(f"expected an image, but the .{images[0]} member has 0 bytes", code="empty-image")
    sidecar = read_captions(group.parts.get("json"), group.parts.get("txt"), ours=True)
    if sidecar.odd:
        raise sidecar.odd[0]
    return Sample(group.key, image, images[0], sidecar.captions, sidecar.metadata)


class ShardWriter:
    """Writes samples as a tar: `key.<extension>`, `key.txt` (the first caption), `key.json`, in this order.

    The bytes are those of webdataset's TarWriter, which would load torch, and half a gigabyte with it, to write a tar.
    Times, owners and modes are fixed and JSON keys sorted: equal samples give equal bytes. The stream is not closed.
    """

    def __init__(self, stream: Writable) -> None:
        self._stream, self._size = stream, 0
        self._keys: set[str] = set()

    def write(self, sample: Sample) -> None:
        """Adds one sample. Raises `SampleError` before any byte is written if it could not be read back as it is."""
        check_key(sample.key)
        if sample.key in self._keys:
            raise SampleError(f"expected each key once, but {sample.key} is already in the shard")
        if sample.extension not in IMAGE_EXTENSIONS:
            raise SampleError(f"expected an image extension, got {sample.extension!r} for {sample.key}")
        if not sample.image:
            raise SampleError(f"expected an image, got 0 bytes for {sample.key}")
        if not sample.captions or not all(caption.strip() and "\0" not in caption for caption in sample.captions):
            raise CaptionError(f"expected captions with words, and without zero bytes, in them for {sample.key}")
        text, metadata = encode_metadata(sample.key, sample.captions, sample.metadata)
        if max(len(text), len(metadata)) > MAX_TEXT_BYTES or len(sample.image) > MAX_IMAGE_BYTES:
            raise SampleError(f"expected at most {MAX_IMAGE_BYTES} bytes of image and {MAX_TEXT_BYTES} of text or JSON")
        self._keys.add(sample.key)
        for extension, data in ((sample.extension, sample.image), ("txt", text), ("json", metadata)):
            head = member_header(f"{sample.key}.{extension}", len(data))
            self._write(b"".join((head, data, bytes(-len(data) % tarfile.BLOCKSIZE))))

    def close(self) -> None:
        """Ends the tar; without this it counts as cut short."""
        end = 2 * tarfile.BLOCKSIZE
        self._write(bytes(end + -(self._size + end) % tarfile.RECORDSIZE))

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        self._stream.write(data)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:  # a shard that failed half-way must not look finished
            self.close()


def shard_bytes(samples: list[Sample]) -> bytes:
    """A whole shard in memory: for small ones."""
    stream = io.BytesIO()
    with ShardWriter(stream) as writer:
        for sample in samples:
            writer.write(sample)
    return stream.getvalue()


def open_tar(folder: Folder, shard: str) -> BinaryIO:
    """A stream of the shard's tar. Raises `SourceError` if it is not there."""
    try:
        return folder.open(f"{shard}.tar")
    except FileNotFoundError as error:
        listed = ", which its receipt lists" if has_receipt(folder, shard) else ""
        raise SourceError(f"expected {shard}.tar{listed}, in {folder.uri}, but it is missing") from error
