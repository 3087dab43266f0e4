"""The manifest: the list of finished shards with their hashes, made from their receipts."""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from mem_core.config import Frozen, fingerprint
from mem_core.data.folder import Folder, read_bytes, write_bytes
from mem_core.data.hashing import sha256_bytes
from mem_core.data.receipt import Count, Sha256, ShardName, parse_receipt, receipt_name
from mem_core.errors import MismatchError, SourceError

MANIFEST_NAME = "manifest.json"
_STEM = re.compile(r"[A-Za-z0-9_-]+")
_TAR = ".tar"
_PUBLISHED = ("protected", "clean", "passthrough")


class ShardEntry(Frozen):
    """A finished shard. samples: those in its tar. sha256: of the tar. receipt_sha256: of the receipt's file."""

    name: ShardName
    samples: Count
    sha256: Sha256
    receipt_sha256: Sha256


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


def list_shards(folder: Folder) -> list[str]:
    """The names of all shards (stems of the tars right in the folder), sorted.

    Raises `SourceError` if there is none, or one whose name has other characters than letters, digits, `_` and `-`.
    """
    tars = [name for name in folder.names() if name.endswith(_TAR) and "/" not in name]
    if not tars:
        raise SourceError(f"expected shards (.tar files) in {folder.uri}, but there is none")
    stems = [name.removesuffix(_TAR) for name in tars]
    for stem in stems:
        if not _STEM.fullmatch(stem):
            raise SourceError(f"expected letters, digits, _ and - in the name of shard {stem!r} in {folder.uri}")
    return sorted(stems)


def build_manifest(
    folder: Folder, *, kind: Literal["clean", "protected"], config: Mapping[str, Any] | None = None
) -> Manifest:
    """The manifest of the shards of a folder that have a receipt (finished ones), from the receipts alone.

    Raises `MismatchError` for a damaged receipt.
    """
    suffix = receipt_name("")
    names = sorted(name for name in folder.names() if name.endswith(suffix) and "/" not in name)
    shards = tuple(_entry(folder, name.removesuffix(suffix)) for name in names)
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
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "file"
        text = f"expected a manifest in {folder.uri}, but {place}: {error.errors()[0]['msg']}"
        raise MismatchError(text) from error
    if manifest.fingerprint != manifest.contents_fingerprint():
        raise MismatchError(f"expected {MANIFEST_NAME} in {folder.uri} as memshield wrote it, but it was edited")
    return manifest


def _entry(folder: Folder, shard: str) -> ShardEntry:
    data = read_bytes(folder, receipt_name(shard))
    receipt = parse_receipt(data, shard)
    return ShardEntry(
        name=shard,
        samples=sum(receipt.counts.get(status, 0) for status in _PUBLISHED),
        sha256=receipt.outputs[shard + _TAR],
        receipt_sha256=sha256_bytes(data),
    )
