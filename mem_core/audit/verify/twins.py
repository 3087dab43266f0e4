"""What has to hold for the twins of a protected corpus: two versions of a sample, both within the budget, and its coin.

That the two are draws 0 and 1 of the protector's seed is shown by making them again: by replaying the protector with
`protect.draw` 0 and 1.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from mem_core.audit.verify.sample import SampleCheck
from mem_core.common.errors import ConfigError, ImageError
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_of
from mem_core.data.images import audit_image, decode_image
from mem_core.data.receipt import Receipt
from mem_core.data.sample_metadata import BLOCK
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.data.table import SampleRow
from mem_core.protect.coins import TwinKey, chosen, coin
from mem_core.protect.destination import TWINS
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.twins import TwinPair, Twins, TwinsRecord, key_of, read_shard_twins, read_twins_record

Tell = Callable[[str, str], None]
"""Names a finding: the key it concerns, and what is wrong."""


@dataclass(frozen=True)
class TwinCheck:
    """The twins of a corpus. key: None where it is not at hand; missing: why not."""

    record: TwinsRecord
    key: TwinKey | None = None
    missing: str = ""

    def check(
        self,
        clean: Folder,
        protected: Folder,
        receipt: Receipt,
        rows: Mapping[str, SampleRow],
        check: SampleCheck,
        tell: Tell,
    ) -> str:
        """Names what is wrong with the twins of a shard; returns what is worth knowing, or "".

        rows: of the shard's table, by key. Raises `MismatchError` or `SourceError` where a file cannot be used.
        """
        shard, home = receipt.shard, protected.below(TWINS)
        if receipt.method != self.record.method:
            tell("", f"twin: {TWINS}/twins.json says {self.record.method}, but the shard was made by {receipt.method}")
        pairs = read_shard_twins(protected, receipt)
        paired = set[str]()
        with open_tar(clean, shard) as stream:
            items = read_shard(stream, f"{shard} (clean)")
            for pair in pairs:
                paired.add(pair.key)
                sample = next((item for item in items if item.key == pair.key), None)
                for what in self._problems(pair, sample, rows.get(pair.key), check):
                    tell(pair.key, what)
        for name, digest in sorted(receipt.twins.items()):
            if sha256_of(home, name) != digest:
                tell("", f"hash: {TWINS}/{name} is not the file that the receipt names")
        return self._lacking(shard, rows, paired)

    def _problems(self, pair: TwinPair, clean: object, row: SampleRow | None, check: SampleCheck) -> Iterator[str]:
        if not isinstance(clean, Sample) or row is None or row.status != "protected":
            yield "twin: the table has no protected sample that it could be the twin of"
            return
        written = (pair.row.sha256, pair.row.trigger, pair.row.captions[:1])
        if (row.sha256_out, row.trigger, (row.caption,)) != written:
            yield "twin: the table of the twins has another published image, trigger or caption than the shard's own"
        for what in check.problems(clean, pair.twin, _row_of_twin(clean, pair, row, check)):
            yield f"twin: {what}"
        if (pair.twin.image, pair.twin.captions) == (pair.published.image, pair.published.captions):
            yield "twin: both versions are the same, so that no coin can be told from them"
        if _told(pair.twin) != _told(pair.published):
            yield "twin: the notes in key.json differ in method, budget or fingerprint, which tells the coin"
        if self.key is not None:
            if pair.row.draw != coin(self.key, self.record.corpus, pair.shard, pair.key):
                yield f"coin: draw {pair.row.draw} is published, but the key's coin is the other one"
            if not chosen(self.key, self.record.corpus, pair.shard, pair.key, self.record.share):
                yield "coin: the sample has a twin, but the key did not choose it"

    def _lacking(self, shard: str, rows: Mapping[str, SampleRow], paired: set[str]) -> str:
        if self.key is None:
            return ""
        lack = Twins(self.record, self.key).lacking(shard, rows.values(), paired)
        what = counted(len(lack), "published sample")
        return (
            f"no twin for {what}, {lack[0]} first: the other version is the same, or could not be protected"
            if lack
            else ""
        )


def twin_check(protected: Folder, keys: KeyPlace | None) -> TwinCheck | None:
    """How to check the twins of a corpus, None where it has none. Raises `MismatchError` for a damaged `twins.json`."""
    record = read_twins_record(protected)
    if record is None:
        return None
    if keys is None:
        return TwinCheck(record, missing="no key was named")
    try:
        return TwinCheck(record, key_of(record, keys))
    except ConfigError as error:
        return TwinCheck(record, missing=str(error))


def _row_of_twin(clean: Sample, pair: TwinPair, row: SampleRow, check: SampleCheck) -> SampleRow:
    """What the shard's table would say had the twin been published."""
    block = pair.twin.metadata.get(BLOCK)
    told = block.get("backed_off_to", 0) if isinstance(block, dict) else row.backed_off_to
    worst = 0
    with suppress(ImageError):  # reported where the image is checked
        worst = audit_image(decode_image(clean.image, max_pixels=check.max_pixels), pair.twin.image, check.levels)
    return replace(
        row,
        sha256_out=pair.row.twin_sha256,
        trigger=pair.row.twin_trigger,
        caption=pair.twin.captions[0],
        max_abs_difference=worst,
        backed_off_to=told if isinstance(told, int) else 0,
    )


def _told(sample: Sample) -> tuple[object, ...]:
    block = sample.metadata.get(BLOCK)
    return (
        tuple(block.get(name) for name in ("method", "epsilon_levels", "fingerprint"))
        if isinstance(block, dict)
        else ()
    )
