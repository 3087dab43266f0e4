"""The finished shards of a destination, and what is left to do.

Decided from two listings and two manifests: no tar is opened, and of receipts only the new ones. The manifest of the
destination is the index of its finished shards; whether an entry holds is for `data.finished_shard` to say. What to do
with a shard that was made otherwise is the user's choice: stop with a sentence, or remove its receipt so that it is
made again. Memory: about a kilobyte a shard.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mem_core.common.errors import MismatchError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.data.corpus import shard_stems
from mem_core.data.finished_shard import CleanTar, Fingerprint, difference
from mem_core.data.manifest import (
    MANIFEST_NAME,
    RECEIPT_READERS,
    Manifest,
    ShardEntry,
    build_manifest,
    listed_entries,
    manifest_bytes,
    manifest_or_none,
    read_entry,
    vouched_sha256,
    write_manifest,
)
from mem_core.data.receipt import receipt_name
from mem_core.protect.destination import CLAIM, PROTECTOR, STATE, TWINS, mark

OnMismatch = Literal["fail", "redo"]
_BATCH = 1000


@dataclass
class Plan:
    """What there is to do. waiting: shards to be made. finished, counts: shards that need nothing, and their
    samples by status. differing: shard with a receipt -> what is not as it should be, as a sentence.
    receipts_read: how many receipts it took to know."""

    waiting: tuple[str, ...] = ()
    finished: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differing: dict[str, str] = field(default_factory=dict)
    receipts_read: int = 0


def plan_shards(clean: Folder, dest: Folder, expected: Fingerprint, progress: Progress = silent) -> Plan:
    """Compares the shards of `clean` with what `dest` says is finished.

    A manifest that lists shards whose receipt is gone is removed, so that it cannot vouch for what comes in their
    place; one that is damaged vouches for nothing. Raises `SourceError` if there are no clean shards.
    """
    with ThreadPoolExecutor(2) as pool:  # both listings at once: a store gives a thousand names a request
        written = list(pool.map(manifest_bytes, (clean, dest)))  # before they are listed: nothing listed is too new
        listings = [pool.submit(folder.top) for folder in (clean, dest)]
        hashes, known = (listed_entries(data) for data in written)
        inputs, there = (listing.result() for listing in listings)
    if any(receipt_name(shard) not in there for shard in known):
        dest.delete(MANIFEST_NAME)

    def problem(entry: ShardEntry) -> str:
        size = inputs[f"{entry.name}.tar"]
        clean_tar = CleanTar(size, vouched_sha256(hashes.get(entry.name), size))
        return difference(entry, clean_tar, expected, there.get)

    shards, plan = shard_stems(clean, inputs), Plan()
    plan.waiting = tuple(shard for shard in shards if receipt_name(shard) not in there)
    sound = [known[shard] for shard in known.keys() & set(shards) - set(plan.waiting) if not problem(known[shard])]
    doubtful = sorted(set(shards) - set(plan.waiting) - {entry.name for entry in sound})
    plan.receipts_read = len(doubtful)
    for done, (shard, entry, unreadable) in enumerate(_read_entries(dest, doubtful), start=1):
        if entry is None:
            plan.differing[shard] = unreadable
        elif what := problem(entry):
            plan.differing[shard] = what
        else:
            sound.append(entry)
        if done % _BATCH == 0:
            progress(done, len(doubtful), f"shard {shard}")
    for entry in sound:
        plan.counts.update(entry.counts)
    plan.finished = len(sound)
    return plan


def _read_entries(dest: Folder, shards: list[str]) -> Iterator[tuple[str, ShardEntry | None, str]]:
    """Entries from receipts, many at once: shard, entry or None, why it cannot be read."""

    def entry(shard: str) -> tuple[str, ShardEntry | None, str]:
        try:
            return shard, read_entry(dest, receipt_name(shard)), ""
        except MismatchError as error:
            return shard, None, str(error)
        except FileNotFoundError:
            return shard, None, "its receipt is gone"

    with ThreadPoolExecutor(RECEIPT_READERS) as pool:
        for start in range(0, len(shards), _BATCH):
            yield from pool.map(entry, shards[start : start + _BATCH])


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

    def entry(self, shard: str, input_sha256: str) -> ShardEntry | None:
        """What the receipt of a shard that needs nothing says, None if the shard is to be made.

        A receipt that does not hold raises `MismatchError`, or is removed: after the manifest, which may list it.
        """
        try:
            entry = read_entry(self._dest, receipt_name(shard))
            what = difference(entry, CleanTar(sha256=input_sha256), self._expected, self._size)
        except FileNotFoundError:
            return None
        except MismatchError:
            if not self._redo:
                raise
            entry, what = None, "its receipt cannot be read"
        if not what:
            return entry
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
            return "/" not in name or name.partition("/")[0] in (STATE, PROTECTOR, TWINS)

        def finished(name: str) -> bool:
            name = name.removeprefix(f"{TWINS}/")
            return fitted if "/" in name else name.partition(".")[0].removesuffix("_stats") in done

        self._dest.sweep(ours, finished)

    def _size(self, name: str) -> int | None:
        try:
            return self._dest.size(name)
        except FileNotFoundError:
            return None

    def _differs(self, shard: str, what: str, others: int = 0) -> MismatchError:
        more = f" (and {others} more shards differ)" if others else ""
        return MismatchError(
            f"expected shard {shard} in {self._dest.uri} to be whole and made from this input with these settings, but "
            f"{what}{more}: choose another destination",
            hint="redo shards",
        )
