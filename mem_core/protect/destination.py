"""A destination is marked as memshield's before anything is written into it, so that no other files are overwritten."""

from mem_core.common.errors import DestinationError, MismatchError
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config.methods import CLEAN
from mem_core.data.manifest import MANIFEST_NAME, manifest_or_none
from mem_core.data.receipt import read_receipt, receipt_name

STATE, PROTECTOR, TWINS, LANGUAGE_MODEL = "_state", "protector", "twins", "language-model"
"""Folders below the destination: what only a run needs, what the rounds leave behind, and versions of samples that are
not published. The last is inside the protector's: who proposed the words of its triggers, where that was a language
model."""
TWINS_RECORD = "twins.json"
CLAIM, FIT = "claim.txt", "fit.txt"  # in the state folder: it is ours; whose states lie there

_RECEIPT = receipt_name("")
_MARKS = (f"{STATE}/{CLAIM}", f"{STATE}/{FIT}", f"{PROTECTOR}/protector.json", f"{TWINS}/{TWINS_RECORD}")
_OURS = (".tar", ".parquet", "_stats.json")  # what a shard leaves at the top of a destination


def mark(dest: Folder) -> None:
    """Marks the destination as memshield's until a receipt exists."""
    mark_state(dest.below(STATE))


def mark_state(work: Folder) -> None:
    """The same, by the state folder of the destination."""
    write_bytes(work, CLAIM, b"memshield writes here\n")


def claim(dest: Folder, method: str) -> None:
    """Leaves a mark in a destination that is new, until there are receipts to know it by.

    Files that no run writes, such as a licence or a page about the corpus, are let be. Raises `DestinationError` for a
    place that holds shards of somebody else, or a clean corpus when something else than `clean` is to be published.
    """
    foreign = ""
    for name in dest.names():
        if name.endswith(_RECEIPT) and "/" not in name:
            _check_method(dest, name.removesuffix(_RECEIPT), method)
            return
        if name in _MARKS:
            return
        if name == MANIFEST_NAME and manifest_or_none(dest) is not None:
            return
        if not foreign and _is_written(name):
            foreign = name
    if foreign:
        raise DestinationError(
            f"expected a new destination or one of memshield's, but {dest.uri} holds somebody else's data: {foreign}"
        )
    mark(dest)


def _is_written(name: str) -> bool:
    """Whether a run might write or remove a file of this name."""
    return name.startswith((f"{PROTECTOR}/", f"{STATE}/", f"{TWINS}/")) or (
        "/" not in name and (name.endswith(_OURS) or name == MANIFEST_NAME)
    )


def _check_method(dest: Folder, shard: str, method: str) -> None:
    try:
        receipt = read_receipt(dest, shard)
    except MismatchError:  # damaged: what is to be done with its shard is for the user to say
        return
    if receipt is not None and receipt.is_clean and method != CLEAN:
        raise DestinationError(
            f"expected a destination for a protected corpus, but {dest.uri} holds a clean one (shard {shard}), which "
            "would be written over"
        )
