"""What is left to do, from two listings and two manifests: no tar is opened, and of receipts only the new ones.

The manifest of the destination is the index of its finished shards. An entry counts when the listing shows all of its
files with the sizes it says; anything else, such as a shard finished after the manifest was written, is decided by
the shard's receipt. Bytes that changed and kept their number are not noticed here: `verify` hashes everything.
Memory: about a kilobyte a shard.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mem_core.common.errors import MismatchError
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.data.corpus import shard_stems
from mem_core.data.manifest import (
    MANIFEST_NAME,
    RECEIPT_READERS,
    ShardEntry,
    listed_entries,
    manifest_bytes,
    read_entry,
)
from mem_core.data.receipt import receipt_name

_BATCH = 1000
Fingerprint = Callable[[str], str]
"""SHA-256 of a clean tar -> what the receipt of the shard made from it has to say."""
OTHER_INPUT = "the clean shard has other content now"
OTHER_SETTINGS = "it was made with other settings, another seed, protector or version"


@dataclass(frozen=True)
class Plan:
    """What there is to do. waiting: shards without a receipt. finished, counts: shards that need nothing, and their
    samples by status. differing: finished shard -> what is not as it should be, as a sentence. receipts_read: how many
    receipts it took to know."""

    waiting: tuple[str, ...]
    finished: int
    counts: dict[str, int]
    differing: dict[str, str]
    receipts_read: int = 0


def plan_shards(clean: Folder, dest: Folder, fingerprint: Fingerprint, progress: Progress = silent) -> Plan:
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
    shards = shard_stems(clean, inputs)
    check = _Check(inputs, hashes, there, fingerprint)
    tally = _Tally([], Counter(), {})
    doubtful: list[str] = []
    for done, shard in enumerate(shards, start=1):
        if receipt_name(shard) not in there:
            tally.waiting.append(shard)
        elif shard in known and not check.difference(known[shard]):
            tally.finish(known[shard])
        else:
            doubtful.append(shard)
        if done % _BATCH == 0:
            progress(done, len(shards), f"shard {shard}")
    for shard, entry, problem in _read(dest, doubtful):
        what = problem or (check.difference(entry) if entry is not None else "its receipt is gone")
        if entry is not None and not what:
            tally.finish(entry)
        else:
            tally.differing[shard] = what
    waiting = tuple(sorted(tally.waiting))
    return Plan(waiting, tally.finished, dict(tally.counts), tally.differing, len(doubtful))


@dataclass
class _Tally:
    waiting: list[str]
    counts: Counter[str]
    differing: dict[str, str]
    finished: int = 0

    def finish(self, entry: ShardEntry) -> None:
        self.finished += 1
        self.counts.update(entry.counts)


@dataclass(frozen=True)
class _Check:
    """inputs, there: the files of the clean and of the protected corpus with their sizes. hashes: clean shard ->
    SHA-256 of its tar, where a manifest tells."""

    inputs: Mapping[str, int]
    hashes: Mapping[str, ShardEntry]
    there: Mapping[str, int]
    fingerprint: Fingerprint

    def difference(self, entry: ShardEntry) -> str:
        """What is not as the entry says, or "" """
        return size_difference(entry.sizes, self.there.get) or self._input_difference(entry) or self._settings_of(entry)

    def _input_difference(self, entry: ShardEntry) -> str:
        tar = f"{entry.name}.tar"
        known = self.hashes.get(entry.name)
        if known is not None and known.sizes.get(tar) == self.inputs[tar]:
            return "" if known.sha256 == entry.input_sha256 else OTHER_INPUT
        if entry.input_bytes not in (None, self.inputs[tar]):
            return f"the clean shard has {self.inputs[tar]} bytes now, but had {entry.input_bytes}"
        return ""

    def _settings_of(self, entry: ShardEntry) -> str:
        if self.fingerprint(entry.input_sha256) == entry.config_fingerprint:
            return ""
        return OTHER_SETTINGS


def size_difference(sizes: Mapping[str, int | None], found: Callable[[str], int | None]) -> str:
    """Which file is missing or has other than its number of bytes, or "". found: name -> bytes, None if missing."""
    for name, size in sorted(sizes.items()):
        actual = found(name)
        if actual is None:
            return f"{name} is missing"
        if size is not None and actual != size:
            return f"{name} has {actual} bytes instead of {size}"
    return ""


def _read(dest: Folder, shards: list[str]) -> Iterator[tuple[str, ShardEntry | None, str]]:
    """Entries from receipts, many at once: shard, entry or None, why it cannot be read."""

    def entry(shard: str) -> tuple[str, ShardEntry | None, str]:
        try:
            return shard, read_entry(dest, receipt_name(shard)), ""
        except MismatchError as error:
            return shard, None, str(error)
        except FileNotFoundError:
            return shard, None, ""

    with ThreadPoolExecutor(RECEIPT_READERS) as pool:
        for start in range(0, len(shards), _BATCH):
            yield from pool.map(entry, shards[start : start + _BATCH])
