"""The receipt of a shard: the small JSON that proves it is finished, always written last."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from mem_core import __version__
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.common.storage.hashing import HashingWriter, sha256_bytes, sha256_of
from mem_core.config import Frozen, Placement, first_mistake
from mem_core.config.methods import CLEAN
from mem_core.config.protect import MetadataConfig, QualityConfig
from mem_core.data.table import SampleRow, table_name, write_table

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ShardName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=200)]
Count = Annotated[int, Field(ge=0)]

_SUFFIX = ".receipt.json"
_MAX_BYTES = 1 << 20


class Receipt(Frozen):
    """What a finished shard was made from and what it consists of.

    input_sha256, input_bytes: of the clean tar (no bytes where the input was no tar). config_fingerprint, protector:
    fingerprints ("" where there is none). outputs: file name in the folder -> SHA-256, the tar among them; sizes: the
    same -> bytes. counts: status -> samples. epsilon_levels: levels of 1/255. metadata: the policy for sidecars, None
    where they were kept whole. passthrough: whether what passed through is the clean file or its pixels, encoded.
    note: the fingerprint in the samples' notes, "" for config_fingerprint. twins: files of the shard's twins, name in
    their folder -> SHA-256; none where it has no twins.
    """

    format: Literal[1] = 1
    shard: ShardName
    input_sha256: Sha256
    input_bytes: Count | None = None
    config_fingerprint: str
    protector: str = ""
    outputs: dict[str, Sha256]
    sizes: dict[str, Count] = Field(default_factory=dict)
    counts: dict[str, Count]
    code_version: str
    method: str
    epsilon_levels: int = Field(0, ge=0, le=255)
    trigger_length: int = Field(0, ge=0, le=64)
    vocabulary: str = ""
    placement: Placement = "front"
    metadata: MetadataConfig | None = None
    passthrough: Literal["file", "pixels"] = "file"
    quality: QualityConfig = QualityConfig()
    note: str = ""
    twins: dict[str, Sha256] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _as_before_there_were_twins(self, plain: SerializerFunctionWrapHandler) -> Any:
        """Of a shard without twins the receipt has the bytes that it always had."""
        values: dict[str, Any] = plain(self)
        return {name: value for name, value in values.items() if value or name not in ("note", "twins")}

    @property
    def is_clean(self) -> bool:
        """Whether the shard is one of a clean corpus: no method was applied to it."""
        return self.method == CLEAN

    @field_validator("metadata", mode="before")
    @classmethod
    def _before_origin(cls, value: Any) -> Any:
        """Up to 0.4.0 there was no choice: what leads back to the clean file was kept."""
        return {"origin": "keep", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _names_own_files(self) -> "Receipt":
        own = {f"{self.shard}.tar", table_name(self.shard), stats_name(self.shard)}
        if f"{self.shard}.tar" not in self.outputs or not own.issuperset(self.outputs):
            raise ValueError(f"expected {self.shard}.tar and only {sorted(own)} as outputs, got {sorted(self.outputs)}")
        if not self.sizes.keys() <= self.outputs.keys():
            raise ValueError(f"expected sizes of outputs only, got those of {sorted(self.sizes)}")
        return self


def receipt_name(shard: str) -> str:
    """The name of a shard's receipt beside its tar."""
    return shard + _SUFFIX


def stats_name(shard: str) -> str:
    """The name of a shard's statistics, in img2dataset's form, beside its tar."""
    return f"{shard}_stats.json"


def has_receipt(folder: Folder, shard: str) -> bool:
    """Whether some run finished the shard, whatever it was made from."""
    return folder.exists(receipt_name(shard))


def receipt_bytes(receipt: Receipt) -> bytes:
    """The file: the receipt's fields and, as `seal`, the hash of them, so that an edit by hand shows."""
    values = receipt.model_dump(mode="json")
    return json.dumps({**values, "seal": _seal(values)}, indent=1, sort_keys=True).encode() + b"\n"


def parse_receipt(data: bytes, shard: str, folder: str) -> Receipt:
    """Raises `MismatchError` for bytes that `receipt_bytes` did not write for this shard. folder: its address."""
    place = f"{folder}/{receipt_name(shard)}"
    values = parse_sealed(data, place)
    try:
        receipt = Receipt.model_validate(values)
    except ValidationError as error:
        raise MismatchError(f"expected a receipt in {place}, got: {first_mistake(error)}") from error
    if receipt.shard != shard:
        raise MismatchError(f"expected the receipt of shard {shard} in {place}, got {receipt.shard}'s")
    return receipt


def read_receipt(folder: Folder, shard: str) -> Receipt | None:
    """The receipt of a shard, None if there is none yet. Raises `MismatchError` if it is damaged or edited by hand."""
    try:
        with folder.open(receipt_name(shard)) as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    return parse_receipt(data, shard, folder.uri)


def write_receipt(folder: Folder, receipt: Receipt) -> bool:
    """Writes the receipt if the shard has none; call it after all outputs are in place.

    True if it was written, False if an equal one was there first. Raises `MismatchError` if another one is there: two
    runs with different settings were at work on the shard. Where its outputs are not those it names, because ours were
    written over them, it is removed, so that the shard counts as unfinished.
    """
    name = receipt_name(receipt.shard)
    try:
        write_bytes(folder, name, receipt_bytes(receipt), only_if_absent=True)
    except FileExistsError:
        other = read_receipt(folder, receipt.shard)
        if other == receipt:
            return False
        if other is not None and changed_output(folder, other):
            folder.delete(name)
        raise MismatchError(
            f"expected no other receipt for shard {receipt.shard} in {folder.uri}, but one of another run is there"
        ) from None
    return True


def write_finished_shard(
    folder: Folder, shard: str, tar: HashingWriter, rows: Sequence[SampleRow], stats: Mapping[str, Any], **made: Any
) -> Receipt:
    """Puts table, statistics and, last, the receipt beside a tar that is in place, and returns the receipt.

    tar: what went through to the tar. stats: for img2dataset's sidecar. made: the other fields of the receipt.
    """
    beside = {
        table_name(shard): write_table(rows),
        stats_name(shard): (json.dumps(stats, indent=2, sort_keys=True) + "\n").encode(),
    }
    for name, data in beside.items():
        write_bytes(folder, name, data)
    receipt = Receipt(
        shard=shard,
        outputs={f"{shard}.tar": tar.hexdigest(), **{name: sha256_bytes(data) for name, data in beside.items()}},
        sizes={f"{shard}.tar": tar.size, **{name: len(data) for name, data in beside.items()}},
        code_version=__version__,
        **made,
    )
    write_receipt(folder, receipt)
    return receipt


def changed_output(folder: Folder, receipt: Receipt) -> str:
    """Which output of a finished shard is missing or has other bytes than its receipt says, as a sentence, or "".

    Every file is read and hashed.
    """
    for name, digest in sorted(receipt.outputs.items()):
        try:
            found = sha256_of(folder, name)
        except FileNotFoundError:
            return f"expected {name} in {folder.uri}, but it is missing"
        if found != digest:
            return f"expected {name} to have SHA-256 {digest[:12]} as in its receipt, got {found[:12]}"
    return ""


def parse_sealed(data: bytes, name: str) -> dict[str, Any]:
    """The values of a sealed JSON file without the seal. Raises `MismatchError` if they are not what was sealed."""
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES} bytes")
        values = json.loads(data)
        if not isinstance(values, dict):
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as error:
        raise MismatchError(f"expected a receipt in {name}, but it cannot be read: {error}") from error
    if values.pop("seal", None) != _seal(values):
        raise MismatchError(f"expected {name} as memshield wrote it, but its seal does not match: it was edited")
    return values


def _seal(values: dict[str, Any]) -> str:
    return sha256_bytes(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())
