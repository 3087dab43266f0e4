"""Is this shard finished? The one answer, for planning, publishing, status, nights, retries and certificates.

A shard is finished when it has a receipt, the receipt's files are there in the sizes it names, and it was made from the
clean tar that is there now with the settings of whoever asks. That is decided from listings and small files alone.
Bytes that changed and kept their number show where every file is hashed (`changed_output` of a receipt, and `verify`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.data.corpus import input_sha256_of, list_shards
from mem_core.data.manifest import Manifest, ShardEntry, build_manifest, manifest_or_none
from mem_core.data.receipt import Receipt, read_receipt

Fingerprint = Callable[[str], str]
"""SHA-256 of a clean tar -> what the receipt of the shard made from it has to say."""

OTHER_INPUT = "the clean shard has other content now"
OTHER_SETTINGS = "it was made with other settings, another seed, protector or version"


@dataclass(frozen=True)
class CleanTar:
    """A clean tar as it is now. size: bytes, None if not known; sha256: "" if it would have to be read to know it."""

    size: int | None = None
    sha256: str = ""


def receipts_of(folder: Folder, shards: Iterable[str]) -> list[Receipt]:
    """The receipts of those shards that have one. Raises `MismatchError` for a damaged receipt."""
    return [receipt for shard in shards if (receipt := read_receipt(folder, shard)) is not None]


def protected_receipts(folder: Folder) -> list[Receipt]:
    """The receipts of a corpus that was protected whole. Raises `SourceError` for any other one."""
    receipts = []
    for shard in list_shards(folder):
        receipt = read_receipt(folder, shard)
        if receipt is None or receipt.is_clean:
            what = "has no receipt" if receipt is None else "is a clean one"
            raise SourceError(
                f"expected a corpus that memshield protected in {folder.uri}, but its shard {shard} {what}"
            )
        receipts.append(receipt)
    return receipts


def originals_of(protected: Folder) -> dict[str, str]:
    """Shard -> SHA-256 of the clean tar that it was made from. Raises `SourceError` as `protected_receipts` does."""
    return {receipt.shard: receipt.input_sha256 for receipt in protected_receipts(protected)}


def require_originals(protected: Folder, clean: Folder) -> None:
    """Raises `SourceError` where a corpus was protected in another way than by this tool, `MismatchError` for clean
    shards that are not those it was made from."""
    there = set(list_shards(clean))
    for shard, sha256 in originals_of(protected).items():
        if shard not in there or input_sha256_of(clean, shard) != sha256:
            raise MismatchError(
                f"expected the clean shards that {protected.uri} was made from in {clean.uri}, but its shard {shard} "
                f"{'is another one' if shard in there else 'is not there'}: name the corpus that was protected"
            )


def current_manifest(folder: Folder) -> Manifest:
    """The manifest of a protected corpus as its receipts are now; those that the stored one lists are not read again.

    Raises `MismatchError` for a damaged receipt.
    """
    return build_manifest(folder, kind="protected", known=manifest_or_none(folder))


def difference(entry: ShardEntry, clean: CleanTar, expected: Fingerprint, found: Callable[[str], int | None]) -> str:
    """Why a shard with a receipt is not finished after all, as a sentence, or "".

    entry: what its receipt says. expected: what the receipt of a shard made today would say. found: file name -> bytes,
    None if missing.
    """
    if told := size_difference(entry.sizes, found) or _input_difference(entry, clean):
        return told
    return "" if expected(entry.input_sha256) == entry.config_fingerprint else OTHER_SETTINGS


def missing_output(receipt: Receipt, found: Callable[[str], int | None]) -> str:
    """Which file of a shard with a receipt is missing or has another size, or ""; see `size_difference`."""
    return size_difference({name: receipt.sizes.get(name) for name in receipt.outputs}, found)


def _input_difference(entry: ShardEntry, clean: CleanTar) -> str:
    if clean.sha256:
        return "" if clean.sha256 == entry.input_sha256 else OTHER_INPUT
    if clean.size is not None and entry.input_bytes not in (None, clean.size):
        return f"the clean shard has {clean.size} bytes now, but had {entry.input_bytes}"
    return ""


def size_difference(sizes: Mapping[str, int | None], found: Callable[[str], int | None]) -> str:
    """Which file is missing or has other than its number of bytes, or "". sizes: as the receipt says, None if not."""
    for name, size in sorted(sizes.items()):
        actual = found(name)
        if actual is None:
            return f"{name} is missing"
        if size is not None and actual != size:
            return f"{name} has {actual} bytes instead of {size}"
    return ""
