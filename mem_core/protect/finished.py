"""The finished shards of a destination: recognised by their receipts, listed in the manifest, or made again.

A receipt holds while it says what the run would make, and its files are there in the sizes it names. What to do with
one that does not hold is the user's choice: stop with a sentence, or remove it so that the shard is made again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from mem_core.common.errors import MadeOtherwise, MismatchError
from mem_core.common.progress import Progress
from mem_core.common.storage.folder import Folder
from mem_core.data.manifest import MANIFEST_NAME, Manifest, build_manifest, manifest_or_none, write_manifest
from mem_core.data.receipt import Receipt, read_receipt, receipt_name
from mem_core.protect.destination import CLAIM, PROTECTOR, STATE, mark
from mem_core.protect.planning import OTHER_INPUT, OTHER_SETTINGS, Fingerprint, Plan, plan_shards, size_difference

OnMismatch = Literal["fail", "redo"]


def withdraw(dest: Folder, shards: Iterable[str]) -> None:
    """Takes finished shards back, so that they are made again: the manifest goes first, as it may list them."""
    mark(dest)
    dest.delete(MANIFEST_NAME)
    for shard in shards:
        dest.delete(receipt_name(shard))


class FinishedShards:
    """expected: SHA-256 of a clean tar -> what the receipt of the shard made from it has to say."""

    def __init__(self, dest: Folder, expected: Fingerprint, on_mismatch: OnMismatch) -> None:
        self._dest, self._expected, self._redo = dest, expected, on_mismatch == "redo"

    def plan(self, clean: Folder, progress: Progress) -> Plan:
        """What is left to do, `redo` included. Raises `MismatchError` if shards differ and are not to be made again."""
        plan = plan_shards(clean, self._dest, self._expected, progress)
        if plan.differing and not self._redo:
            shard, what = min(plan.differing.items())
            raise self._differs(shard, what, len(plan.differing) - 1)
        return replace(plan, waiting=tuple(sorted({*plan.waiting, *plan.differing})))

    def receipt(self, shard: str, input_sha256: str) -> Receipt | None:
        """The receipt of a shard that needs nothing, None if it is to be made.

        One that does not hold raises `MismatchError`, or is removed: after the manifest, which may list it.
        """
        try:
            receipt = read_receipt(self._dest, shard)
            what = "" if receipt is None else self._difference(receipt, input_sha256)
        except MismatchError:
            if not self._redo:
                raise
            receipt, what = None, "its receipt cannot be read"
        if not what:
            return receipt
        if not self._redo:
            raise self._differs(shard, what)
        withdraw(self._dest, [shard])
        return None

    def conclude(self, config: Mapping[str, Any]) -> Manifest:
        """Writes the manifest; reads only receipts that it did not list before."""
        known = manifest_or_none(self._dest)
        manifest = build_manifest(self._dest, kind="protected", config=config, known=known)
        if manifest != known:
            write_manifest(self._dest, manifest)
        self._dest.below(STATE).delete(CLAIM)
        done = {entry.name for entry in manifest.shards}
        self._sweep(done, fitted=True)
        return manifest

    def sweep(self) -> None:
        """Removes what runs that were killed left half written, as far as that is certain."""
        self._sweep(set(), fitted=False)

    def _sweep(self, done: set[str], *, fitted: bool) -> None:
        def ours(name: str) -> bool:
            return "/" not in name or name.partition("/")[0] in (STATE, PROTECTOR)

        def finished(name: str) -> bool:
            return fitted if "/" in name else name.partition(".")[0].removesuffix("_stats") in done

        self._dest.sweep(ours, finished)

    def _difference(self, receipt: Receipt, input_sha256: str) -> str:
        if receipt.input_sha256 != input_sha256:
            return OTHER_INPUT
        if receipt.config_fingerprint != self._expected(input_sha256):
            return OTHER_SETTINGS
        return size_difference({name: receipt.sizes.get(name) for name in receipt.outputs}, self._size)

    def _size(self, name: str) -> int | None:
        try:
            return self._dest.size(name)
        except FileNotFoundError:
            return None

    def _differs(self, shard: str, what: str, others: int = 0) -> MadeOtherwise:
        more = f" (and {others} more shards differ)" if others else ""
        return MadeOtherwise(
            f"expected shard {shard} in {self._dest.uri} to be whole and made from this input with these settings, but "
            f"{what}{more}: choose another destination",
            "or have such shards made again with `--on-mismatch redo`",
        )
