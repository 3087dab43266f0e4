"""What a report needs from a protected corpus: the summary of its tables, and samples to show."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mem_core.data.folder import Folder, read_bytes
from mem_core.data.images import decode_image
from mem_core.data.manifest import list_shards
from mem_core.data.receipt import read_receipt
from mem_core.data.shard import Sample, read_shard
from mem_core.data.table import SampleRow, read_table, table_name
from mem_core.errors import SourceError
from mem_core.report.inputs import MontageItem, ProtectedSummary

_TRIGGERS_SHOWN = 3
_MAX_PIXELS = 64_000_000


@dataclass(frozen=True)
class _Choice:
    """A sample to show, and where it is."""

    shard: str
    row: SampleRow


def summarise_protection(protected: Folder, *, seconds: float | None = None) -> ProtectedSummary:
    """Counts, budget and visibility of every sample, from tables and receipts. Raises SourceError, MismatchError."""
    shards = list_shards(protected)
    rows = [row for _, row in _rows(protected, shards)]
    receipts = [read_receipt(protected, shard) for shard in shards]
    known = [receipt for receipt in receipts if receipt is not None]
    done = [row for row in rows if row.status == "protected"]
    triggers = dict.fromkeys(row.trigger for row in done if row.trigger)
    fingerprints = {receipt.config_fingerprint for receipt in known}
    return ProtectedSummary(
        counts=dict(sorted(Counter(row.status for row in rows).items())),
        epsilon_levels=max((receipt.epsilon_levels for receipt in known), default=0),
        max_abs_difference=max((row.max_abs_difference for row in done), default=None),
        trigger_length=max((receipt.trigger_length for receipt in known), default=0),
        triggers=tuple(triggers)[:_TRIGGERS_SHOWN],
        psnr=tuple(row.psnr for row in done),
        ssim=tuple(row.ssim for row in done),
        seconds=seconds,
        fingerprint=fingerprints.pop() if len(fingerprints) == 1 else "",
    )


def pick_samples(
    clean: Folder, protected: Folder, *, montage: int = 6, worst: int = 4
) -> tuple[tuple[MontageItem, ...], tuple[MontageItem, ...]]:
    """Samples spread evenly over the corpus, and those with the lowest PSNR, lowest first; each before and after.

    Reads the tables once and only the tars that hold a chosen sample. Raises SourceError, MismatchError, ImageError.
    """
    rows = _rows(protected, list_shards(protected))
    choices = [_Choice(shard, row) for shard, row in rows if row.status == "protected"]
    step = max(1, len(choices) // max(1, montage))
    spread = choices[step // 2 :: step][:montage]
    lowest = heapq.nsmallest(worst, (choice for choice in choices if choice.row.psnr is not None), key=_visibility)
    shown = _load(clean, protected, [*spread, *lowest])
    return tuple(shown[choice.row.key] for choice in spread), tuple(shown[choice.row.key] for choice in lowest)


def _rows(protected: Folder, shards: Iterable[str]) -> Iterator[tuple[str, SampleRow]]:
    for shard in shards:
        name = table_name(shard)
        for row in read_table(read_bytes(protected, name), name):
            yield shard, row


def _visibility(choice: _Choice) -> tuple[float, str]:
    return (choice.row.psnr if choice.row.psnr is not None else float("inf"), choice.row.key)


def _load(clean: Folder, protected: Folder, choices: Iterable[_Choice]) -> dict[str, MontageItem]:
    rows = {choice.row.key: choice.row for choice in choices}
    shards = sorted({choice.shard for choice in choices})
    before, after = (_samples(folder, shards, set(rows)) for folder in (clean, protected))
    return {key: _item(row, before[key], after[key]) for key, row in rows.items()}


def _samples(folder: Folder, shards: Iterable[str], keys: set[str]) -> dict[str, Sample]:
    """The samples with these keys; raises SourceError if one is missing."""
    found: dict[str, Sample] = {}
    for shard in shards:
        with folder.open(f"{shard}.tar") as stream:
            samples = (sample for sample in read_shard(stream, shard) if isinstance(sample, Sample))
            found |= {sample.key: sample for sample in samples if sample.key in keys}
    if missing := sorted(keys - set(found)):
        raise SourceError(f"expected sample {missing[0]} of the protected corpus in {folder.uri}, but it is not there")
    return found


def _item(row: SampleRow, before: Sample, after: Sample) -> MontageItem:
    return MontageItem(
        key=row.key,
        clean=decode_image(before.image, max_pixels=_MAX_PIXELS).pixels,
        protected=decode_image(after.image, max_pixels=_MAX_PIXELS).pixels,
        caption=after.captions[0],
        trigger=row.trigger,
        psnr=row.psnr,
        ssim=row.ssim,
    )
