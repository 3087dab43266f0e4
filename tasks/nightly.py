"""The steps of a night: which shards are new, and what is left behind for the next one.

A night looks at receipts, never at what is inside finished shards: those stay as they are even if today's settings
or version would make them otherwise; that is said, and `protect --on-mismatch redo` is how to change it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_of
from mem_core.config import Frozen, RuntimeConfig
from mem_core.data.corpus import require_clean
from mem_core.data.manifest import MANIFEST_NAME, Manifest, ShardEntry, build_manifest, manifest_or_none, read_manifest
from mem_core.data.receipt import read_receipt
from mem_core.protect.destination import claim
from mem_core.protect.finished import plan_shards, withdraw
from mem_core.protect.protection import ShardSummary
from mem_core.protect.protector import publishing_fingerprint, require_protector
from tasks.artifacts import show_night
from tasks.failures import Failures, read_failures, write_failures
from tasks.options import step
from tasks.progress import say, watched
from tasks.storage import address_below, open_folder
from tasks.workspace import ProtectJob, forget, protection_of

Ready = Literal["tar", "stats"]
_FITTED_HERE = "protector"


class NightPlan(Frozen):
    """waiting: shards to protect now. unready: shards whose statistics are still to come. finished: those with a
    receipt. differing: finished shard -> why it would be made otherwise today."""

    waiting: tuple[str, ...]
    unready: int = 0
    finished: int = 0
    differing: dict[str, str] = Field(default_factory=dict)


class NightSummary(Frozen):
    """What a night came to. protected: new shards. counts: their samples by status. failed: shard -> sentence.
    shards, fingerprint: of the manifest, old and new together."""

    uri: str
    protected: int
    counts: dict[str, int]
    failed: dict[str, str]
    shards: int
    fingerprint: str


@step("open protector", run_name="open protector")
def stored_job(clean: str, dest: str, protector: str | None, runtime: RuntimeConfig) -> ProtectJob:
    """The job of protecting CLEAN as the stored protector did the rest: its settings, its seed, replayed."""
    folder = open_folder(protector or address_below(dest, _FITTED_HERE))
    stored = require_protector(folder)
    say(f"protector of {folder.uri}: {stored.config.method}, {stored.rounds} rounds, {stored.fingerprint[:12]}")
    config = stored.config.model_copy(update={"strategy": "replay"})
    return ProtectJob(
        clean=clean, dest=dest, config=config, runtime=runtime, seed=stored.seed, protector=protector or folder.uri
    )


@step("plan night", run_name="plan night")
def plan_night(job: ProtectJob, ready: Ready = "tar") -> NightPlan:
    """Compares two listings; of receipts only those newer than the manifest are read."""
    forget(job)
    clean, dest = open_folder(job.clean), open_folder(job.dest)
    stored = require_protector(open_folder(job.protector or ""))

    def expected(input_sha256: str) -> str:
        return publishing_fingerprint(job.config, job.seed, stored.fingerprint, input_sha256)

    with watched("plan night") as progress:
        plan = plan_shards(clean, dest, expected, progress)
    waiting = plan.waiting
    if ready == "stats":
        there = {name for name in clean.names() if name.endswith("_stats.json")}
        waiting = tuple(shard for shard in waiting if f"{shard}_stats.json" in there)
    if waiting:
        require_clean(clean, waiting[0])
        claim(dest, job.method)
    unready = len(plan.waiting) - len(waiting)
    later = f", {unready} not complete yet" if unready else ""
    say(f"{len(waiting)} new shards{later}, {plan.finished + len(plan.differing)} finished before")
    if plan.differing:
        shard, why = min(plan.differing.items())
        say(f"{len(plan.differing)} finished shards would be made otherwise today and are left alone: {shard}: {why}")
    return NightPlan(waiting=waiting, unready=unready, finished=plan.finished, differing=plan.differing)


@step("plan retry", run_name="plan retry")
def plan_retry(job: ProtectJob) -> NightPlan:
    """What failed and may do better now: shards without a receipt, and shards with failed samples whose clean tar
    has been replaced. The latter lose their receipts here, after the manifest, so that they count as unfinished."""
    forget(job)
    clean, dest = open_folder(job.clean), open_folder(job.dest)
    failed = tuple(shard for shard in read_failures(dest).shards if clean.exists(f"{shard}.tar"))
    entries = build_manifest(dest, kind="protected", known=manifest_or_none(dest)).shards
    spoilt = [entry for entry in entries if entry.counts.get("failed", 0)]
    mended = [entry for entry in spoilt if _replaced(clean, entry)]
    if mended:
        withdraw(dest, [entry.name for entry in mended])
    same = sum(entry.counts["failed"] for entry in spoilt) - sum(entry.counts["failed"] for entry in mended)
    say(f"{len(failed)} failed shards to try again, {len(mended)} shards with failed samples whose input was replaced")
    if same:
        say(f"{same} failed samples stay as they are: their input has not changed, they would fail the same way")
    return NightPlan(waiting=tuple(sorted({*failed, *(entry.name for entry in mended)})), finished=len(entries))


@step("retry job", run_name="what to retry")
def retry_job(dest: str, clean: str | None, protector: str | None, runtime: RuntimeConfig) -> ProtectJob:
    """The job that the failed shards belong to. Raises `ConfigError` if nobody says where they come from."""
    noted = read_failures(open_folder(dest))
    source = clean or noted.clean
    if not source:
        raise ConfigError(
            f"expected a note about failed shards in {dest}, but there is none: name the clean corpus with --clean to "
            "look for failed samples, or run `protect` or `nightly` again to do what is merely missing"
        )
    return stored_job.fn(source, dest, protector or noted.protector or None, runtime)


@step("finish night", run_name="finish night")
def finish_night(
    job: ProtectJob, done: Sequence[ShardSummary], failed: Mapping[str, str], plan: NightPlan
) -> NightSummary:
    """Extends the manifest, notes what failed, and shows the night in the UI."""
    protection = protection_of(job)
    manifest = protection.finish()
    write_failures(
        protection.dest, Failures(clean=job.clean, protector=job.protector or "", shards=dict(sorted(failed.items())))
    )
    forget(job)
    counts: dict[str, int] = {}
    for shard in done:
        for status, count in shard.counts.items():
            counts[status] = counts.get(status, 0) + count
    summary = NightSummary(
        uri=job.dest,
        protected=len(done),
        counts=dict(sorted(counts.items())),
        failed=dict(sorted(failed.items())),
        shards=len(manifest.shards),
        fingerprint=manifest.fingerprint,
    )
    show_night(job.dest, done, summary.failed, plan.differing)
    samples = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no new samples"
    say(f"{summary.protected} shards protected ({samples}), {len(failed)} failed, {summary.shards} in the manifest")
    return summary


@step("read manifest", run_name="read manifest")
def corpus_manifest(uri: str) -> Manifest:
    """The manifest of a finished corpus. Raises `SourceError` if there is none."""
    found = read_manifest(open_folder(uri))
    if found is None:
        raise SourceError(f"expected a finished corpus in {uri}, but it has no {MANIFEST_NAME}")
    return found


def _replaced(clean: Folder, entry: ShardEntry) -> bool:
    """Whether the clean tar is there with other bytes than the shard was made from."""
    if not clean.exists(f"{entry.name}.tar"):
        return False
    receipt = read_receipt(clean, entry.name)
    tar = f"{entry.name}.tar"
    return (receipt.outputs[tar] if receipt is not None else sha256_of(clean, tar)) != entry.input_sha256
