"""What was protected before: told by our note in a sample's metadata or image file, or by a receipt beside its tar.

With the note switched off (`metadata.note: off`) a published sample looks like any other: then only the receipt tells,
and tars that were copied without it cannot be told from clean ones.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config.methods import CLEAN
from mem_core.data.image_metadata import NOTE
from mem_core.data.receipt import read_receipt
from mem_core.data.sample_metadata import BLOCK, UNPROTECTED
from mem_core.data.shard import Sample, open_tar, read_shard

EXPORT_MARK = ".memshield-export.json"
"""In a folder that protected pictures were exported to; they carry no other sign."""

_TWICE = "protecting it again would add up noise and triggers"
_LOOKED_AT = 8  # samples of a shard


def protected_already(image: bytes, metadata: dict[str, Any], setting: str) -> str:
    """Why a sample counts as protected, as a sentence, "" if it does not. setting: what to set to insist."""
    block, how = metadata.get(BLOCK), ""
    if isinstance(block, dict) and block.get("method") not in (UNPROTECTED, CLEAN):
        how = f"its metadata say that memshield protected it with {str(block.get('method', 'some method'))[:40]}"
    elif NOTE.encode() in image:
        how = "its file carries memshield's note"
    return f"expected a clean sample, but {how}: {_TWICE} ({setting}=accept takes it as it is)" if how else ""


def require_no_export(names: Collection[str], uri: str) -> None:
    """Raises `SourceError` for a folder that memshield exported protected pictures to, by the names of its files."""
    if EXPORT_MARK in names:
        raise SourceError(
            f"expected clean samples in {uri}, but memshield exported protected ones to it ({EXPORT_MARK}): {_TWICE}; "
            "name the folder that they were made from, or take them as they are with corpus.protected=accept"
        )


def receipt_of_protected(folder: Folder, place: str) -> str:
    """The same of all samples of a tar, by the receipt beside it. place: the tar's path in the folder, less `.tar`."""
    below, _, shard = place.rpartition("/")
    with suppress(MismatchError, ValueError):  # a receipt that is not ours tells nothing
        receipt = read_receipt(folder.below(below) if below else folder, shard)
        if receipt is not None and not receipt.is_clean:
            return (
                f"expected a clean sample, but the receipt of {place}.tar says that it was protected with "
                f"{receipt.method}: {_TWICE} (corpus.protected=accept takes it as it is)"
            )
    return ""


def require_clean(folder: Folder, shards: Sequence[str]) -> None:
    """Raises `SourceError` for a corpus that is protected already, by the receipt of its first shard or, where it has
    none, by the notes of the first samples of its first and last shard."""
    receipt = read_receipt(folder, shards[0])
    if receipt is not None and not receipt.is_clean:
        raise SourceError(
            f"expected a clean corpus in {folder.uri}, but its shard {shards[0]} was protected with {receipt.method}: "
            f"{_TWICE}; name the corpus that it was made from (protect.protected=accept takes it as it is)"
        )
    if receipt is not None:
        return
    said = [why for shard in dict.fromkeys((shards[0], shards[-1])) for why in _told(folder, shard)]
    if said and all(said):
        raise SourceError(
            f"expected a clean corpus in {folder.uri}, but all samples looked at are protected: {said[0]}"
        )


def _told(folder: Folder, shard: str) -> Iterator[str]:
    with suppress(SourceError), open_tar(folder, shard) as stream:  # what is wrong with a tar is said when it is used
        for found in islice(read_shard(stream, shard), _LOOKED_AT):
            if isinstance(found, Sample):
                yield protected_already(found.image, found.metadata, "protect.protected")
