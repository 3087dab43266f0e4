"""The manifest: the list of finished shards with their hashes, made from their receipts."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from pydantic import Field

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import Frozen, fingerprint
from mem_core.config.stored import parse_record
from mem_core.data.receipt import Count, Sha256, ShardName, parse_receipt, receipt_name

MANIFEST_NAME = "manifest.json"
_TAR = ".tar"
_PUBLISHED = ("protected", "clean", "passthrough")
RECEIPT_READERS = 16  # receipts read at the same time: a store answers slowly, but many at once


class ShardEntry(Frozen):
    """A finished shard. samples: those in its tar. sha256: of the tar. receipt_sha256: of the receipt's file.

    The rest is as in the receipt, so that one read of the manifest saves reading all receipts; `sizes` has the
    receipt's own as well, None where its receipt does not tell.
    """

    name: ShardName
    samples: Count
    sha256: Sha256
    receipt_sha256: Sha256
    input_sha256: Sha256
    input_bytes: Count | None = None
    config_fingerprint: str
    counts: dict[str, Count]
    sizes: dict[str, Count | None]


class Manifest(Frozen):
    """A finished corpus. fingerprint: hash of all the rest, so that equal fingerprints mean equal corpora."""

    format: Literal[1] = 1
    kind: Literal["clean", "protected"]
    shards: tuple[ShardEntry, ...]
    config: dict[str, Any] = Field(default_factory=dict)
    fingerprint: Sha256

    def contents_fingerprint(self) -> str:
        """What `fingerprint` has to be."""
        return fingerprint(self.model_dump(mode="json", exclude={"fingerprint"}))


def build_manifest(
    folder: Folder,
    *,
    kind: Literal["clean", "protected"],
    config: Mapping[str, Any] | None = None,
    known: Manifest | None = None,
) -> Manifest:
    """The manifest of the shards of a folder that have a receipt (finished ones), from the receipts alone.

    known: an earlier one of the folder, which saves reading the receipts it lists. It has to be deleted before a
    receipt that it lists is. Raises `MismatchError` for a damaged receipt.
    """
    suffix = receipt_name("")
    receipts = {name: size for name, size in folder.top().items() if name.endswith(suffix)}
    entries = {entry.name: entry for entry in (known.shards if known is not None else ())}

    def entry(name: str) -> ShardEntry:
        listed = entries.get(name.removesuffix(suffix))
        return listed if listed and listed.sizes.get(name) == receipts[name] else read_entry(folder, name)

    with ThreadPoolExecutor(RECEIPT_READERS) as pool:
        shards = tuple(pool.map(entry, sorted(receipts)))
    draft = Manifest(kind=kind, shards=shards, config=dict(config or {}), fingerprint="0" * 64)
    return draft.model_copy(update={"fingerprint": draft.contents_fingerprint()})


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Writes or replaces the folder's manifest."""
    data = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True).encode() + b"\n"
    write_bytes(folder, MANIFEST_NAME, data)


def read_manifest(folder: Folder) -> Manifest | None:
    """The folder's manifest, None if there is none. Raises `MismatchError` if it is damaged or edited by hand."""
    try:
        data = read_bytes(folder, MANIFEST_NAME)
    except FileNotFoundError:
        return None
    return parse_manifest(data, folder.uri)


def parse_manifest(data: bytes, uri: str) -> Manifest:
    """The manifest in the bytes of a file in the folder at `uri`. Raises `MismatchError`."""
    manifest = parse_record(data, Manifest, "a manifest", f"{uri}/{MANIFEST_NAME}")
    if manifest.fingerprint != manifest.contents_fingerprint():
        raise MismatchError(f"expected {MANIFEST_NAME} in {uri} as memshield wrote it, but it was edited")
    return manifest


def manifest_or_none(folder: Folder) -> Manifest | None:
    """The folder's manifest, None if there is none or it is damaged: all it says can be had from the receipts."""
    try:
        return read_manifest(folder)
    except MismatchError:
        return None


def read_entry(folder: Folder, name: str) -> ShardEntry:
    """The entry of a shard from its receipt `name`. Raises `MismatchError` if it is damaged, FileNotFoundError."""
    shard = name.removesuffix(receipt_name(""))
    data = read_bytes(folder, name)
    receipt = parse_receipt(data, shard, folder.uri)
    return ShardEntry(
        name=shard,
        samples=sum(receipt.counts.get(status, 0) for status in _PUBLISHED),
        sha256=receipt.outputs[shard + _TAR],
        receipt_sha256=sha256_bytes(data),
        input_sha256=receipt.input_sha256,
        input_bytes=receipt.input_bytes,
        config_fingerprint=receipt.config_fingerprint,
        counts=receipt.counts,
        sizes={name: len(data), **{output: receipt.sizes.get(output) for output in receipt.outputs}},
    )


def vouched_sha256(entry: ShardEntry | None, size: int) -> str:
    """The hash of a shard's tar that its entry vouches for, "" if there is none or the tar has another size now."""
    return entry.sha256 if entry is not None and entry.sizes.get(entry.name + _TAR) == size else ""


def manifest_bytes(folder: Folder) -> bytes:
    """The file of the manifest, empty where there is none."""
    try:
        return read_bytes(folder, MANIFEST_NAME)
    except FileNotFoundError:
        return b""


def listed_entries(data: bytes) -> dict[str, ShardEntry]:
    """The shards that a manifest vouches for: none if it is damaged, as all it says can be had from the receipts."""
    try:
        return {entry.name: entry for entry in parse_manifest(data, "").shards} if data else {}
    except MismatchError:
        return {}
