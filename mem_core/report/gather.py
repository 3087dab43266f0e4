"""What a report needs from a protected corpus: the summary of its tables, and samples to show."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Set

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config import Placement
from mem_core.data.corpus import list_shards
from mem_core.data.finished_shard import receipts_of
from mem_core.data.images import decode_image
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.data.table import SampleRow, read_rows
from mem_core.models.placement import standing
from mem_core.report.inputs import MontageItem, ProtectedSummary
from mem_core.report.pictures import centre

_TRIGGERS_SHOWN = 3
_WHOLE: tuple[Placement, ...] = ("front", "end", "inside")  # placements that leave the caption whole
_MAX_PIXELS = 64_000_000


def summarise_protection(protected: Folder, *, seconds: float | None = None) -> ProtectedSummary:
    """Counts, budget and visibility of every sample, from tables and receipts. Raises SourceError, MismatchError."""
    shards = list_shards(protected)
    rows = [row for shard in shards for row in read_rows(protected, shard)]
    known = receipts_of(protected, shards)
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
    clean: Folder, protected: Folder, *, montage: int = 6, worst: int = 4, shards: Iterable[str] | None = None
) -> tuple[tuple[MontageItem, ...], tuple[MontageItem, ...]]:
    """Samples spread evenly over the corpus, and those with the lowest PSNR, lowest first; each before and after.

    shards: those to pick from, None for all. Reads their tables once and only the tars that hold a chosen sample.
    Raises SourceError, MismatchError, ImageError.
    """
    chosen = list_shards(protected) if shards is None else shards
    tables = ((shard, read_rows(protected, shard)) for shard in chosen)
    rows = [(shard, row) for shard, table in tables for row in table if row.status == "protected"]
    step = max(1, len(rows) // max(1, montage))
    spread = rows[step // 2 :: step][:montage]
    visible = ((row.psnr, row.key, shard, row) for shard, row in rows if row.psnr is not None)
    lowest = [(shard, row) for *_, shard, row in heapq.nsmallest(worst, visible, key=lambda found: found[:2])]
    shown = _load(clean, protected, [*spread, *lowest])
    return tuple(shown[row.key] for _, row in spread), tuple(shown[row.key] for _, row in lowest)


def _load(clean: Folder, protected: Folder, chosen: Iterable[tuple[str, SampleRow]]) -> dict[str, MontageItem]:
    """One sample of each corpus in memory at a time, and of a large picture only its middle is kept."""
    by_shard: dict[str, dict[str, SampleRow]] = {}
    for shard, row in chosen:
        by_shard.setdefault(shard, {})[row.key] = row
    shown = {}
    for shard, rows in sorted(by_shard.items()):
        before, after = (_samples(folder, shard, rows.keys()) for folder in (clean, protected))
        for one, other in zip(before, after, strict=True):
            shown[one.key] = _item(rows[one.key], one, other)
    return shown


def _samples(folder: Folder, shard: str, keys: Set[str]) -> Iterator[Sample]:
    """The samples with these keys in the order of the shard; raises SourceError if one is missing."""
    left = set(keys)
    with open_tar(folder, shard) as stream:
        for sample in read_shard(stream, f"{shard} in {folder.uri}"):
            if isinstance(sample, Sample) and sample.key in left:
                left.remove(sample.key)
                yield sample
            if not left:
                return
    raise SourceError(f"expected sample {min(left)} of the protected corpus in {folder.uri}, but it is not there")


def _item(row: SampleRow, before: Sample, after: Sample) -> MontageItem:
    clean = decode_image(before.image, max_pixels=_MAX_PIXELS).pixels
    protected = decode_image(after.image, max_pixels=_MAX_PIXELS).pixels
    if clean.shape != protected.shape:
        raise MismatchError(f"expected {row.called} in one size, got {clean.shape[:2]} and {protected.shape[:2]}")
    if row.sha256_in != sha256_bytes(before.image):
        raise MismatchError(f"expected the clean {row.called} to be the one that was protected, got another image")
    own, published = before.captions[0], after.captions[0]
    marked = _marked(row.trigger, own, published)
    return MontageItem(
        key=row.key,
        name=row.name,
        clean=centre(clean).copy(),
        protected=centre(protected).copy(),
        caption=published,
        marked=marked,
        written="" if marked or published == own else own,
        psnr=row.psnr,
        ssim=row.ssim,
        full_size=(clean.shape[1], clean.shape[0]),
        largest_difference=row.max_abs_difference,
    )


def _marked(trigger: str, own: str, published: str) -> tuple[tuple[int, int], ...]:
    """Where the trigger's words stand in a caption that is whole apart from them; neighbours together."""
    if not trigger:
        return ()
    words = trigger.split(" ")
    for placement in _WHOLE:
        text, starts = standing(words, own, placement)
        if text == published:
            first = [n for n, start in enumerate(starts) if n == 0 or start > starts[n - 1] + len(words[n - 1]) + 1]
            last = [n - 1 for n in first[1:]] + [len(words) - 1]
            return tuple((starts[n], starts[m] + len(words[m])) for n, m in zip(first, last, strict=True))
    return ()
