"""The steps of a night as tasks; what they do is in `mem_core.protect.night`."""

from collections.abc import Mapping, Sequence

from mem_core.config import RunnerConfig
from mem_core.protect import night
from mem_core.protect.destination import PROTECTOR
from mem_core.protect.failures import Failures
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.night import NightPlan, NightSummary, Ready
from mem_core.protect.protection import twins_so_far
from mem_core.protect.protector import require_protector
from mem_core.protect.shard_summary import ShardSummary
from tasks.options import step
from tasks.progress import say, watched
from tasks.result_pages import show_night
from tasks.storage import address_below, open_folder
from tasks.workspace import ProtectJob, forget, protection_of


@step("open protector", run_name="open protector")
def stored_job(clean: str, dest: str, protector: str | None, runtime: RunnerConfig, keys: KeyPlace) -> ProtectJob:
    """The job of protecting CLEAN as the stored protector did the rest: its settings, its seed, replayed; with twins
    where DEST has them. Raises `ConfigError` if their key is not at hand, or where nothing was protected before."""
    folder = open_folder(protector or address_below(dest, PROTECTOR))
    stored = require_protector(folder) if protector else night.first_protector(folder, open_folder(dest), clean)
    say(f"protector of {folder.uri}: {stored.config.method}, {stored.rounds} rounds, {stored.fingerprint[:12]}")
    return ProtectJob(
        clean=clean,
        dest=dest,
        config=stored.replay_config,
        runtime=runtime,
        seed=stored.seed,
        protector=protector or folder.uri,
        twins=twins_so_far(open_folder(dest), keys),
    )


@step("plan night", run_name="plan night")
def plan_night(job: ProtectJob, ready: Ready = "tar") -> NightPlan:
    """Which shards are new."""
    forget(job)
    clean, dest, protector = (open_folder(place) for place in (job.clean, job.dest, job.protector or ""))
    with watched("plan night") as progress:
        return _said(night.plan_night(clean, dest, protector, job.config, ready, progress))


@step("plan retry", run_name="plan retry")
def plan_retry(job: ProtectJob) -> NightPlan:
    """What failed and may do better now."""
    forget(job)
    return _said(night.plan_retry(open_folder(job.clean), open_folder(job.dest)))


@step("look for failures", run_name="look for failures in {dest}")
def nothing_to_retry(dest: str) -> NightSummary | None:
    """What `retry` comes to where no run has noted a failure, None where there is something to find out."""
    found = night.nothing_to_retry(open_folder(dest))
    if found is not None:
        failed = found.counts.get("failed", 0)
        say(f"nothing to try again: no run has noted a failed shard of {dest}")
        if failed:
            say(f"{failed} samples failed: name the clean corpus to look whether their tars were replaced")
    return found


@step("retry job", run_name="what to retry")
def retry_job(dest: str, clean: str | None, protector: str | None, runtime: RunnerConfig, keys: KeyPlace) -> ProtectJob:
    """The job that the failed shards belong to. Raises `ConfigError` if nobody says where they come from."""
    source, used = night.source_of_failures(open_folder(dest), clean, protector)
    return stored_job.fn(source, dest, used, runtime, keys)


@step("finish night", run_name="finish night")
def finish_night(
    job: ProtectJob, done: Sequence[ShardSummary], failed: Mapping[str, str], plan: NightPlan
) -> NightSummary:
    """Extends the manifest, notes what failed, and shows the night in the UI."""
    protection = protection_of(job)
    noted = Failures(clean=job.clean, protector=job.protector or "")
    summary = night.conclude_night(protection.dest, protection.finish(), done, failed, noted)
    forget(job)
    show_night(job, night_told(summary), done, summary.failed, plan.differing)
    say(night_told(summary))
    return summary


def night_told(summary: NightSummary) -> str:
    """A night in one line, for the message of its run."""
    if not summary.protected and not summary.failed:
        return f"0 shards protected, nothing to do: {summary.shards} in the manifest"
    samples = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no new samples"
    failed = len(summary.failed)
    return f"{summary.protected} shards protected ({samples}), {failed} failed, {summary.shards} in the manifest"


def _said(plan: NightPlan) -> NightPlan:
    for line in plan.lines:
        say(line)
    return plan
