"""The steps of protecting a corpus; their order is in `mem_core.protect.protection`. Rounds count from 1 here."""

from mem_core.common.errors import ConfigError
from mem_core.common.formatting import counted
from mem_core.common.storage.folder import write_bytes
from mem_core.config import Frozen
from mem_core.config.protect import QualityConfig
from mem_core.data.already import require_clean
from mem_core.data.loaders.shard_line import loadable, open_clip_options
from mem_core.data.manifest import Manifest
from mem_core.experiments.status import JOB, backed_off_line, count_backed_off
from mem_core.protect.night import counts_of
from mem_core.protect.remaining import Plan
from mem_core.protect.shard_summary import ShardSummary
from tasks.artifacts import show_shards
from tasks.options import step
from tasks.progress import say, watched
from tasks.workspace import ProtectJob, computing, forget, protection_of


class ProtectPlan(Frozen):
    """What there is to do. shards: all of the clean corpus. rounds: 0 where nothing is left to fit. fresh: whether
    nothing was done before."""

    shards: tuple[str, ...]
    rounds: int
    fresh: bool


class ProtectSummary(Frozen):
    """A protected corpus. counts: samples by status. repeated: shards that were finished before. open_clip: what it is
    given to train on the corpus, "" where nothing was published or webdataset cannot read the address."""

    uri: str
    shards: int
    repeated: int
    counts: dict[str, int]
    fingerprint: str
    open_clip: str = ""


@step("begin protection", run_name="begin {job.method}")
def begin_protection(job: ProtectJob) -> ProtectPlan:
    """Checks the job against both folders and discards unfinished work of another config."""
    forget(job)
    protection = protection_of(job)
    shards = tuple(protection.shards)
    if protection.config.protected == "refuse":
        require_clean(protection.clean, shards)
    fresh = next(protection.dest.names(), None) is None
    protection.begin()
    write_bytes(protection.dest, JOB, job.model_dump_json().encode())  # `status` learns of the clean corpus from it
    rounds = 0 if protection.fitted else protection.config.fit_rounds
    say(f"{job.method}: {counted(len(shards), 'shard')}" + (f", {counted(rounds, 'round')}" if rounds else ""))
    return ProtectPlan(shards=shards, rounds=rounds, fresh=fresh)


@step("train surrogate", run_name="train surrogate, {job.method} round {number}", tags=("memshield-device",))
def train_surrogate(job: ProtectJob, number: int) -> None:
    """Step 1 of a round: the surrogate, over batches from all shards."""
    with watched(f"{job.method} round {number}: surrogate") as progress, computing(job) as protection:
        alone = job.runtime.runner == "threads" and len(job.runtime.devices) < 2
        done = protection.fit.train_surrogate(number - 1, progress, wait=not alone)
    if done is None:
        say(f"{job.method} round {number}: the surrogate was trained before")
    elif not done.steps:
        say(f"{job.method} round {number}: the surrogate is taken as it is")
    else:
        say(f"{job.method} round {number}: surrogate loss {done.first_loss:.2f} -> {done.last_loss:.2f}")


@step("update shard", run_name="update {shard} round {number}", tags=("memshield-device",))
def update_shard(job: ProtectJob, shard: str, number: int) -> float:
    """Steps 2 and 3 of a round for one shard: its triggers, then its noise. Returns its mean noise loss."""
    with watched(f"{job.method} round {number}: shard {shard}") as progress, computing(job) as protection:
        return protection.fit.update_shard(shard, number - 1, progress)


@step("finish fit", run_name="finish fit, {job.method}")
def finish_fit(job: ProtectJob, losses: list[float]) -> None:
    """Writes the protector."""
    protection_of(job).fit.finish(losses)


@step("plan publishing", run_name="plan publishing, {job.method}")
def plan_publishing(job: ProtectJob) -> Plan:
    """Separates the shards that are finished, from listings and manifests, from those that still need a task."""
    with watched(f"{job.method}: plan") as progress:
        plan = protection_of(job).plan(progress)
    if plan.finished:
        say(f"{job.method}: {plan.finished} of {plan.finished + len(plan.waiting)} shards were protected before")
    for shard, what in sorted(plan.differing.items()):
        say(f"{job.method}: shard {shard} is made again: {what}")
    return plan


@step("publish shard", run_name="publish {shard}", tags=("memshield-device",))
def publish_shard(job: ProtectJob, shard: str) -> ShardSummary:
    """Writes one protected shard and, last, its receipt."""
    with watched(f"{job.method}: publish {shard}") as progress, computing(job) as protection:
        return protection.publish(shard, progress)


@step("finish protection", run_name="finish {job.method}")
def finish_protection(job: ProtectJob, plan: Plan, shards: list[ShardSummary]) -> ProtectSummary:
    """Writes the manifest, shows the shards in the UI, and lets go of what the rounds needed."""
    protection = protection_of(job)
    manifest = protection.finish()
    protection.dest.delete(JOB)
    forget(job)
    counts = counts_of(shards, plan.counts)
    show_shards(job.method, job.dest, shards)
    say(f"{job.method}: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))} in {job.dest}")
    if job.config.quality != QualityConfig() and (backed_off := count_backed_off(protection.dest)):
        say(f"{job.method}: {backed_off_line(backed_off)}")
    return ProtectSummary(
        uri=job.dest,
        shards=plan.finished + len(shards),
        repeated=plan.finished + sum(shard.repeated for shard in shards),
        counts=counts,
        fingerprint=manifest.fingerprint,
        open_clip=_open_clip(job.dest, manifest),
    )


def _open_clip(address: str, manifest: Manifest) -> str:
    try:
        return open_clip_options(address, loadable(manifest)) if loadable(manifest) else ""
    except ConfigError as error:
        say(f"warning: webdataset cannot read this corpus: {error}")
        return ""
