"""What a night has to do, and what it leaves behind for the next one.

A night protects what has no receipt. A shard with one is kept even if it is not finished after all (its files or its
input changed, or today's settings would make other bytes): that is said, and making it again is for the user to ask.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from mem_core.common.errors import ConfigError
from mem_core.common.formatting import counted
from mem_core.common.progress import Progress, silent
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen, ProtectConfig
from mem_core.data.already import require_clean
from mem_core.data.corpus import input_sha256_of
from mem_core.data.finished_shard import current_manifest, receipts_of
from mem_core.data.manifest import Manifest, manifest_or_none
from mem_core.data.receipt import stats_name
from mem_core.protect.destination import claim
from mem_core.protect.failures import Failures, read_failures, write_failures
from mem_core.protect.protector import Protector, publishing_fingerprint, read_protector, require_protector
from mem_core.protect.remaining import plan_shards, withdraw
from mem_core.protect.shard_summary import ShardSummary
from mem_core.protect.twins import read_twins_record

Ready = Literal["tar", "stats"]


class NightPlan(Frozen):
    """waiting: shards to protect now. unready: shards whose statistics are still to come. finished: those that need
    nothing. differing: shard with a receipt -> why it is not finished after all. lines: all that for people."""

    waiting: tuple[str, ...]
    unready: int = 0
    finished: int = 0
    differing: dict[str, str] = Field(default_factory=dict)
    lines: tuple[str, ...] = ()


class NightSummary(Frozen):
    """What a night came to. protected: new shards. counts: their samples by status. failed: shard -> sentence.
    shards, fingerprint: of the manifest, old and new together."""

    uri: str
    protected: int
    counts: dict[str, int]
    failed: dict[str, str]
    shards: int
    fingerprint: str


def first_protector(folder: Folder, dest: Folder, clean: str) -> Protector:
    """The protector that the first run left in a folder of its destination. clean: address of the corpus.

    Raises `ConfigError` where there was no such run, or one whose method leaves none.
    """
    stored = read_protector(folder)
    if stored is not None:
        return stored
    what, about = f"expected the protector of the first run in {folder.uri}, but", shlex.join([clean, dest.uri])
    made = receipts_of(dest, [entry.name for entry in current_manifest(dest).shards[:1]])
    if made:
        raise ConfigError(
            f"{what} its shards were made with {made[0].method}, without one", hint="protect again", about=about
        )
    raise ConfigError(
        f"{what} there is none: a corpus is protected as a whole before its first night",
        hint="protect once",
        about=about,
    )


def plan_night(
    clean: Folder, dest: Folder, protector: Folder, config: ProtectConfig, ready: Ready, progress: Progress = silent
) -> NightPlan:
    """Compares two listings; of receipts only those newer than the manifest are read.

    ready: `stats` waits for a shard's _stats.json. Raises `SourceError` for shards that are protected already,
    `DestinationError` for a destination that holds somebody else's data.
    """
    stored = require_protector(protector)
    fitted, twins = stored.fingerprint, read_twins_record(dest)
    known = twins.fingerprint if twins is not None else ""

    def expected(input_sha256: str) -> str:
        return publishing_fingerprint(config, stored.seed, fitted, input_sha256, known)

    plan = plan_shards(clean, dest, expected, progress)
    waiting = plan.waiting
    if ready == "stats":
        there = clean.top()
        waiting = tuple(shard for shard in waiting if stats_name(shard) in there)
    if waiting:
        if config.protected == "refuse":
            require_clean(clean, waiting)
        claim(dest, config.method)
    unready = len(plan.waiting) - len(waiting)
    later = f", {unready} not complete yet" if unready else ""
    lines = [f"{counted(len(waiting), 'new shard')}{later}, {plan.finished + len(plan.differing)} finished before"]
    if plan.differing:
        shard, why = min(plan.differing.items())
        lines.append(
            f"{len(plan.differing)} finished shards would be made differently today and are kept: {shard}: {why}"
        )
    return NightPlan(
        waiting=waiting, unready=unready, finished=plan.finished, differing=plan.differing, lines=tuple(lines)
    )


def plan_retry(clean: Folder, dest: Folder) -> NightPlan:
    """What failed and may do better now: shards without a receipt, and shards with failed samples whose clean tar
    has been replaced. The latter lose their receipts here, after the manifest, so that they count as unfinished."""
    failed = [shard for shard in read_failures(dest).shards if clean.exists(f"{shard}.tar")]
    entries = current_manifest(dest).shards
    spoilt = {entry.name: entry.counts["failed"] for entry in entries if entry.counts.get("failed", 0)}
    mended = [
        entry.name for entry in entries if entry.name in spoilt and _is_replaced(clean, entry.name, entry.input_sha256)
    ]
    if mended:
        withdraw(dest, mended)
    lines = [
        f"{counted(len(failed), 'failed shard')} to try again, "
        f"{counted(len(mended), 'shard')} with failed samples whose input was replaced"
    ]
    if same := sum(spoilt.values()) - sum(spoilt[shard] for shard in mended):
        lines.append(
            f"{same} failed samples stay as they are: their input has not changed, they would fail the same way"
        )
    return NightPlan(waiting=tuple(sorted({*failed, *mended})), finished=len(entries), lines=tuple(lines))


def nothing_to_retry(dest: Folder) -> NightSummary | None:
    """A night without work, where no run has noted a failed shard; None where one has, and where nothing was protected.

    Failed samples may do better once their clean tars are replaced, which takes the clean corpus to know.
    """
    noted, manifest = read_failures(dest), manifest_or_none(dest)
    if noted.clean or noted.shards or manifest is None:
        return None
    failed = sum(entry.counts.get("failed", 0) for entry in manifest.shards)
    return NightSummary(
        uri=dest.uri,
        protected=0,
        counts={"failed": failed} if failed else {},
        failed={},
        shards=len(manifest.shards),
        fingerprint=manifest.fingerprint,
    )


def source_of_failures(dest: Folder, clean: str | None, protector: str | None) -> tuple[str, str | None]:
    """The addresses of the clean corpus and of the protector that the failed shards belong to: as named, or as noted.

    Raises `ConfigError` if nobody says where the shards come from.
    """
    noted = read_failures(dest)
    source = clean or noted.clean
    if not source:
        raise ConfigError(
            f"expected a note about failed shards in {dest.uri}, but there is none", hint="look for failed samples"
        )
    return source, protector or noted.protector or None


def conclude_night(
    dest: Folder, manifest: Manifest, done: Iterable[ShardSummary], failed: Mapping[str, str], noted: Failures
) -> NightSummary:
    """Notes what failed, for status and retry, and sums up. noted: where the failed shards come from."""
    failures = dict(sorted(failed.items()))
    write_failures(dest, noted.model_copy(update={"shards": failures}))
    done = list(done)
    return NightSummary(
        uri=dest.uri,
        protected=len(done),
        counts=dict(sorted(counts_of(done).items())),
        failed=failures,
        shards=len(manifest.shards),
        fingerprint=manifest.fingerprint,
    )


def counts_of(shards: Iterable[ShardSummary], before: Mapping[str, int] | None = None) -> dict[str, int]:
    """Samples by status, of these shards and of those counted before."""
    counts = dict(before or {})
    for shard in shards:
        for status, count in shard.counts.items():
            counts[status] = counts.get(status, 0) + count
    return counts


def _is_replaced(clean: Folder, shard: str, input_sha256: str) -> bool:
    """Whether the clean tar is there with other bytes than the shard was made from."""
    return clean.exists(f"{shard}.tar") and input_sha256_of(clean, shard) != input_sha256
