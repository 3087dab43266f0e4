"""Writing one protected shard: every sample encoded, read back, audited, and accounted for."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mem_core.common.errors import SampleError
from mem_core.common.prefetch import prefetch_map
from mem_core.common.reasons import Code
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import HashingWriter, sha256_bytes
from mem_core.config import ProtectConfig
from mem_core.data.images import audit_image, encode_image
from mem_core.data.origin import origin_of
from mem_core.data.receipt import write_finished_shard
from mem_core.data.sample_metadata import BLOCK, UNPROTECTED, published_metadata
from mem_core.data.shard import Sample, ShardWriter
from mem_core.data.shard_cache import LoadedShard
from mem_core.data.table import SampleRow
from mem_core.models.placement import published_caption, spelled, standing
from mem_core.perturb.context import FitContext
from mem_core.perturb.noise import noise_for
from mem_core.perturb.state import ShardState
from mem_core.protect.published_image import published_image

T = TypeVar("T")

_ENCODERS = 8  # threads: Pillow, numpy and hashlib hold the interpreter for an eighth of the time they take
_AHEAD = 32  # samples encoded or in work before their turn, as long as their pixels together take no more than
_PIXELS_AHEAD = 200_000_000  # bytes: 32 usual pictures, or one of 8,000 x 8,000


@dataclass(frozen=True)
class PublishJob:
    """What all samples of a shard share. protector: its fingerprint; fingerprint: what their receipt will say; note:
    what their own notes say in its place, "" for the same."""

    context: FitContext
    protector: str
    fingerprint: str
    note: str = ""

    @property
    def config(self) -> ProtectConfig:
        return self.context.config

    @property
    def noted(self) -> str:
        """The fingerprint in the notes."""
        return self.note or self.fingerprint

    def of_draw(self, draw: int) -> "PublishJob":
        """The same for another draw."""
        return replace(self, context=self.context.of_draw(draw))


@dataclass(frozen=True)
class Outcome:
    """What became of one sample: what is to be written, if anything, and its row."""

    sample: Sample | None
    row: SampleRow


def publish_shard(dest: Folder, shard: LoadedShard, state: ShardState, job: PublishJob) -> tuple[dict[str, int], int]:
    """Writes tar, table, stats and, last, the receipt. Returns the counts by status and the largest difference.

    A sample that cannot be published within the budget becomes a row with its reason; it goes out unprotected
    only with `on_error: passthrough`, and never as a file that cannot be decoded.
    """
    name = shard.name
    with dest.write(f"{name}.tar") as stream:
        hashing = HashingWriter(stream)
        with ShardWriter(hashing) as writer:
            rows = [written(writer, made) for made in in_order(shard, lambda key: outcome(shard, key, state, job))]
    return finish_shard(dest, shard, hashing, rows, job, state.trigger_ids.shape[1])


def finish_shard(
    dest: Folder,
    shard: LoadedShard,
    tar: HashingWriter,
    rows: list[SampleRow],
    job: PublishJob,
    trigger_length: int,
    twins: Mapping[str, str] | None = None,
) -> tuple[dict[str, int], int]:
    """Puts table, stats and, last, the receipt beside a tar; returns as `publish_shard`. twins: see `Receipt`."""
    counts: dict[str, int] = dict(Counter(row.status for row in rows))
    config = job.config
    write_finished_shard(
        dest,
        shard.name,
        tar,
        rows,
        _stats(rows, counts),
        input_sha256=shard.sha256,
        input_bytes=shard.size,
        config_fingerprint=job.fingerprint,
        protector=job.protector,
        counts=counts,
        method=config.method,
        epsilon_levels=config.noise.epsilon_levels,
        trigger_length=trigger_length if config.recipe.publishes_trigger else 0,
        vocabulary=config.trigger.vocabulary,
        placement=config.trigger.placement,
        metadata=config.metadata,
        passthrough="pixels",
        quality=config.quality,
        note=job.note,
        twins=dict(twins or {}),
    )
    return counts, max((row.max_abs_difference for row in rows), default=0)


def written(writer: ShardWriter, outcome: Outcome) -> SampleRow:
    """Puts the sample into the tar and returns its row: a failed one if the tar cannot hold it (a giant caption)."""
    try:
        if outcome.sample is not None:
            writer.write(outcome.sample)
    except SampleError as error:
        row = outcome.row
        kept = {name: getattr(row, name) for name in ("key", "sha256_in", "caption", "name", "origin")}
        return SampleRow(status="failed", reason=str(error), code=error.code, **kept)
    return outcome.row


def in_order(shard: LoadedShard, make: Callable[[str], T]) -> Iterator[T]:
    """What is made of every sample of the clean tar, in its order; encoding runs some samples ahead."""

    def weight(key: str) -> int:
        place = shard.places.get(key)
        return 0 if place is None else shard.pixel_bytes(place)

    yield from prefetch_map(make, shard.rows, threads=_ENCODERS, depth=_AHEAD, weight=weight, heaviest=_PIXELS_AHEAD)


def outcome(shard: LoadedShard, key: str, state: ShardState, job: PublishJob) -> Outcome:
    """What becomes of a sample of the clean tar."""
    place = shard.places.get(key)
    if place is None:
        broken = shard.broken[key]
        return _failed(shard.raw.get(key), key, broken.reason, broken.code)
    try:
        return _protected(shard, place, state, job)
    except SampleError as error:
        if job.config.on_error == "passthrough":
            return _passed_through(shard, place, job, error)
        return _failed(shard.samples[place], key, str(error), error.code)


def _protected(shard: LoadedShard, i: int, state: ShardState, job: PublishJob) -> Outcome:
    sample, clean, policy = shard.samples[i], shard.pictures[i], job.config.metadata
    epsilon = job.config.noise.epsilon_levels
    made = published_image(clean, noise_for(shard, i, clean.pixels, state, job.context), job.config)
    image, shown, difference = made.data, made.shown, made.difference
    ratio = shown.psnr if math.isfinite(shown.psnr) else None
    backed_off = shown.levels if shown.levels < epsilon else 0
    ids = state.trigger_ids[i].tolist() if job.config.recipe.publishes_trigger else []
    trigger = spelled(ids, job.context.tokenizer, job.config.trigger.placement)
    placement = job.config.trigger.placement
    captions = tuple(published_caption(trigger, caption, placement) for caption in sample.captions)
    done = {
        "method": job.config.method,
        "epsilon_levels": epsilon,
        **_ids_beside_text(trigger, ids, sample.captions, job.config),
        "max_abs_difference": difference,
        "fingerprint": job.noted,
        "psnr": ratio,
        "ssim": shown.ssim,
        **({"backed_off_to": backed_off} if backed_off else {}),
    }
    metadata = published_metadata(sample, captions, policy) | ({} if policy.note == "off" else {BLOCK: done})
    name, origin = origin_of(sample)
    out = Sample(sample.key, image, job.config.image_format, captions, metadata)
    row = SampleRow(
        key=sample.key,
        status="protected",
        sha256_in=sha256_bytes(sample.image),
        sha256_out=sha256_bytes(image),
        width=clean.width,
        height=clean.height,
        max_abs_difference=difference,
        psnr=ratio,
        ssim=shown.ssim,
        trigger=trigger,
        caption=captions[0],
        backed_off_to=backed_off,
        name=name,
        origin=origin,
    )
    return Outcome(out, row)


def _ids_beside_text(trigger: str, ids: list[int], clean: tuple[str, ...], config: ProtectConfig) -> dict[str, Any]:
    """The trigger, for key.json, where its ids do not survive as text; and where its words begin, if not in front.

    Of words the table alone keeps record: told beside the caption, they tell how to get the clean one back.
    """
    if config.trigger.vocabulary != "all":
        return {}
    told: dict[str, Any] = {"trigger": trigger, "trigger_ids": ids}
    if ids and config.trigger.placement != "front":
        words = trigger.split(" ")
        told["trigger_places"] = [standing(words, caption, config.trigger.placement)[1] for caption in clean]
    return told


def _passed_through(shard: LoadedShard, i: int, job: PublishJob, why: SampleError) -> Outcome:
    """A sample that could not be protected, with its own pixels and captions: as files of this corpus are, and marked.

    What no file of this corpus can hold has failed.
    """
    sample, clean, config = shard.samples[i], shard.pictures[i], job.config
    try:
        image = encode_image(clean, config.image_format)
        audit_image(clean, image, 0)
        metadata = published_metadata(sample, sample.captions, config.metadata)
    except SampleError as error:
        return _failed(sample, sample.key, f"{why}; nor can it be passed through: {error}", why.code)
    if config.metadata.note != "off":
        metadata |= {BLOCK: {"method": UNPROTECTED, "fingerprint": job.noted}}
    name, origin = origin_of(sample)
    row = SampleRow(
        key=sample.key,
        status="passthrough",
        reason=str(why),
        code=why.code,
        sha256_in=sha256_bytes(sample.image),
        sha256_out=sha256_bytes(image),
        width=clean.width,
        height=clean.height,
        caption=sample.captions[0],
        name=name,
        origin=origin,
    )
    return Outcome(Sample(sample.key, image, config.image_format, sample.captions, metadata), row)


def _failed(sample: Sample | None, key: str, reason: str, code: Code) -> Outcome:
    """A row with the reason. sample: the clean one, where it could be read at all."""
    row = SampleRow(key=key, status="failed", reason=reason, code=code)
    if sample is None:
        return Outcome(None, row)
    name, origin = origin_of(sample)
    caption = sample.captions[0] if sample.captions else ""
    return Outcome(None, replace(row, sha256_in=sha256_bytes(sample.image), caption=caption, name=name, origin=origin))


def _stats(rows: list[SampleRow], counts: dict[str, int]) -> dict[str, Any]:
    """img2dataset's sidecar: totals of the shard, and how often each reason came."""
    reasons = dict(Counter(row.code for row in rows if row.code))
    done = counts.get("protected", 0) + counts.get("passthrough", 0)
    return {
        "count": len(rows),
        "successes": done,
        "failed_to_protect": len(rows) - done,
        "status_dict": reasons,
        "backed_off": sum(row.backed_off_to > 0 for row in rows),
    } | counts
