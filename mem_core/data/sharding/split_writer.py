"""The clean shards of one split, one after the other."""

from collections import Counter
from dataclasses import dataclass, field

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder
from mem_core.config import CorpusConfig
from mem_core.data.manifest import build_manifest, read_manifest, write_manifest
from mem_core.data.receipt import changed_output, read_receipt, receipt_name
from mem_core.data.sharding.candidate import Candidate
from mem_core.data.sharding.clean_shard import KnownShard, NewShard, shard_name, source_changed


@dataclass(frozen=True)
class ShardingSummary:
    """One split of a clean corpus. kept: shards that an earlier run had finished; samples: usable ones; images: those
    that samples and failed ones are of, fewer where there is a sample for each pair. codes: why samples failed."""

    uri: str
    shards: int
    kept: int
    samples: int
    failed: int
    images: int
    codes: dict[str, int] = field(default_factory=dict)


class SplitWriter:
    """The shards of one split, in order; `add` each sample, then `finish`."""

    def __init__(self, folder: Folder, config: CorpusConfig, config_fingerprint: str) -> None:
        self.folder = folder
        self._config, self._fingerprint = config, config_fingerprint
        self._number = 0
        self._current: NewShard | KnownShard | None = None
        self._kept = 0
        self._counts: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self.taken = 0
        manifest = read_manifest(folder)
        self._finished = {entry.name for entry in manifest.shards} if manifest else None

    @property
    def usable(self) -> int:
        """Usable samples so far."""
        return self._counts["clean"] + (self._current.clean if self._current else 0)

    @property
    def reason(self) -> str:
        """Why the first unusable sample of the open shard is unusable."""
        rows = self._current.table if isinstance(self._current, NewShard) else []
        return next((row.reason for row in rows if row.reason), "")

    def add(self, sample: Candidate) -> None:
        """Takes one sample. Raises `MismatchError` if finished shards were made from other data."""
        self.taken += 1
        if self._current is None:
            self._current = self._begin()
        if not self._current.add(sample):
            self._close()
            self._current = self._begin()
            self._current.add(sample)

    def finish(self) -> None:
        """Finishes the last shard."""
        self._close()
        if read_receipt(self.folder, shard_name(self._number)) is not None:
            raise MismatchError(
                f"expected {self._number} shards in {self.folder.uri}, but there are more: the source or its order has "
                "changed since; use another destination, or delete this one to shard again"
            )

    def conclude(self, images: int) -> ShardingSummary:
        """Writes the manifest; to be called when all splits are finished, as it says that the whole source is."""
        found = build_manifest(self.folder, kind="clean", config=self._config.model_dump(mode="json"))
        if read_manifest(self.folder) != found:
            write_manifest(self.folder, found)
        counts = self._counts
        codes = dict(self._codes.most_common())
        return ShardingSummary(
            self.folder.uri, self._number, self._kept, counts["clean"], counts["failed"], images, codes
        )

    def abort(self) -> None:
        """Leaves nothing of the shard in work."""
        if self._current is not None:
            self._current.abort()

    def _begin(self) -> NewShard | KnownShard:
        name = shard_name(self._number)
        receipt = read_receipt(self.folder, name)
        if receipt is None and self._finished is not None and name not in self._finished:
            raise source_changed(self.folder, name)
        if receipt is None:
            return NewShard(self.folder, name, self._config, self._fingerprint)
        if not receipt.is_clean or receipt.config_fingerprint != self._fingerprint:
            raise MismatchError(
                f"expected clean shards of the same settings in {self.folder.uri}, but {receipt_name(name)} is of a "
                f"{receipt.method} corpus or other settings; use another destination"
            )
        if changed_output(self.folder, receipt):  # damaged: written again, from what must be the same data
            return NewShard(self.folder, name, self._config, self._fingerprint, damaged=receipt)
        self._kept += 1
        return KnownShard(self.folder, receipt, self._config)

    def _close(self) -> None:
        if self._current is not None:
            if self._number and not self._current.clean:  # these rows would stick to the shard before
                raise source_changed(self.folder, shard_name(self._number))
            receipt = self._current.finish()
            self._counts.update(receipt.counts)
            self._codes.update(self._current.codes)
            self._number += 1
            self._current = None
