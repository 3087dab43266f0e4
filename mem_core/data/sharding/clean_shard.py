"""One clean shard: written from samples, or compared with the one that an earlier run finished.

A shard is closed by the first usable sample after it is full. So unusable samples, which take a key and a row but no
place in the tar, stick to the shard before them, and no shard is without samples unless its whole split is.
"""

import hashlib
import json
from collections import Counter
from contextlib import ExitStack
from typing import Any

from mem_core.common.errors import MismatchError, SampleError
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.common.storage.hashing import HashingWriter
from mem_core.config import CorpusConfig
from mem_core.config.methods import CLEAN
from mem_core.data.readers.text import repaired
from mem_core.data.receipt import Receipt, receipt_name, stats_name, write_finished_shard
from mem_core.data.shard import Sample, ShardWriter
from mem_core.data.sharding.candidate import Candidate
from mem_core.data.table import SampleRow


class KnownShard:
    """A finished shard: its samples are read from the source again and compared, not decoded."""

    def __init__(self, folder: Folder, receipt: Receipt, config: CorpusConfig) -> None:
        self._folder, self._receipt = folder, receipt
        self._full = config.samples_per_shard
        self.clean = receipt.counts.get("clean", 0)
        self.rows = 0
        self.digest = hashlib.sha256()

    def add(self, sample: Candidate) -> bool:
        """Adds the sample, or returns that it belongs to the next shard."""
        expected = sum(self._receipt.counts.values())
        if self.rows == expected and expected < self._full:
            raise source_changed(self._folder, self._receipt.shard)
        if self.rows == expected:
            return False
        self.rows += 1
        self.digest.update(sample.digest())
        return True

    def finish(self) -> Receipt:
        """The receipt, if the source still says the same. Raises `MismatchError`."""
        if self.digest.hexdigest() != self._receipt.input_sha256:
            raise source_changed(self._folder, self._receipt.shard)
        return self._receipt

    @property
    def codes(self) -> Counter[str]:
        """How many samples failed by each code, from the shard's statistics."""
        failed = self._receipt.counts.get("failed", 0)
        if not failed:
            return Counter()
        stats = json.loads(read_bytes(self._folder, stats_name(self._receipt.shard)))
        return Counter(stats["status_dict"])

    def abort(self) -> None:
        """Nothing is open."""


class NewShard:
    """A shard being written: the tar is written as samples come; table, statistics and receipt follow."""

    def __init__(
        self, folder: Folder, name: str, config: CorpusConfig, fingerprint: str, damaged: Receipt | None = None
    ) -> None:
        self._folder, self._name = folder, name
        self._full, self._fingerprint, self._damaged = config.samples_per_shard, fingerprint, damaged
        self._images: set[str] | None = set() if config.one_sample_per == "pair" else None
        self._files = ExitStack()
        stream = self._files.enter_context(self._folder.write(f"{self._name}.tar"))
        self._hash = HashingWriter(stream)
        self._tar = ShardWriter(self._hash)
        self.table: list[SampleRow] = []
        self.clean = 0
        self.rows = 0
        self.digest = hashlib.sha256()

    def add(self, sample: Candidate) -> bool:
        """Adds the sample, or returns that it belongs to the next shard."""
        try:
            image = sample.checked()
            if self.rows >= self._full and self.clean:
                return False
            key, metadata = self._key(), sample.published_metadata(image)
            self._tar.write(Sample(key, image.data, image.extension, sample.captions, metadata))
        except SampleError as error:
            self._fail(sample, error)
            return True
        facts = (image.note, sample.image.sha256, str(metadata["sha256"]), image.width, image.height)
        self._row(sample, SampleRow(key, "clean", *facts, caption=sample.captions[0], name=sample.name))
        self.clean += 1
        return True

    def finish(self) -> Receipt:
        """Makes the tar appear, then table and statistics, then the receipt."""
        receipt_input = self.digest.hexdigest()
        if self._damaged is not None:
            if self._damaged.input_sha256 != receipt_input:
                raise source_changed(self._folder, self._name)
            self._folder.delete(receipt_name(self._name))
        self._tar.close()
        self._files.close()
        return write_finished_shard(
            self._folder,
            self._name,
            self._hash,
            self.table,
            self._stats(),
            input_sha256=receipt_input,
            config_fingerprint=self._fingerprint,
            counts={"clean": self.clean, "failed": self.rows - self.clean},
            method=CLEAN,
        )

    def abort(self) -> None:
        """Leaves nothing behind."""
        self._files.__exit__(_Aborted, _Aborted(), None)

    def _fail(self, sample: Candidate, error: SampleError) -> None:
        reason = str(error) if sample.name in str(error) else f"{sample.name}: {error}"
        caption, facts = next(iter(sample.captions), ""), (repaired(reason)[0], sample.image.sha256)
        row = SampleRow(self._key(), "failed", *facts, caption=caption, code=error.code, name=sample.name)
        self._row(sample, row)

    def _row(self, sample: Candidate, row: SampleRow) -> None:
        if self._images is not None:
            self._images.add(sample.name)
        self.table.append(row)
        self.digest.update(sample.digest())
        self.rows += 1

    def _key(self) -> str:
        return f"{self._name}{self.rows:04d}"

    @property
    def codes(self) -> Counter[str]:
        """How many samples failed by each code."""
        return Counter(row.code for row in self.table if row.code)

    def _stats(self) -> dict[str, Any]:
        counts = {"count": self.rows, "successes": self.clean, "failed_to_shard": self.rows - self.clean}
        if self._images is not None:
            counts["images"] = len(self._images)
        return {**counts, "status_dict": dict(self.codes.most_common())}


class _Aborted(Exception):
    """Makes the folder's stream discard its bytes."""


def shard_name(number: int) -> str:
    """`{shard:05d}`."""
    return f"{number:05d}"


def source_changed(folder: Folder, shard: str) -> MismatchError:
    """The error for a source that has changed since its shards were made."""
    return MismatchError(
        f"expected the data that shard {shard} in {folder.uri} was made from, but the source has changed since; "
        "use another destination, or delete this one to shard again"
    )
