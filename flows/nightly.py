"""Protects what came since the last night, with the protector of the first one."""

from typing import Annotated

from flows.advice import about_failed_shards
from flows.local_server.logs import trim_logs
from flows.local_server.server import home, keys
from flows.mapping import ShardsFailed, map_shards
from flows.parameters import Clean, Dest, Preset, Runtime, Settings, Then, TwinsKey, chosen, said
from flows.recorded import recorded
from flows.shard_runner import shard_runner_of
from mem_core.common.errors import RetryShard, SourceError
from mem_core.protect.night import NightPlan, NightSummary, Ready
from tasks.events import announce_corpus
from tasks.nightly import finish_night, night_told, plan_night, stored_job
from tasks.protecting import publish_shard
from tasks.stale_runs import end_stale_runs, say_if_given_up
from tasks.workspace import ProtectJob

_SET_ASIDE = (RetryShard, SourceError)  # a tar that cannot be read must not hold up the others of its night


@recorded("nightly", run_name="nightly into {dest}", told=night_told)
def nightly(
    clean: Clean,
    dest: Dest,
    protector: Annotated[str | None, said("Folder of a finished protector. None: DEST/protector.")] = None,
    ready: Annotated[
        Ready, said("stats: leave shards alone until their _stats.json is there, which img2dataset writes last.")
    ] = "tar",
    twins_key: TwinsKey = None,
    preset: Preset = "cpu",
    settings: Settings = (),
    runtime: Runtime = None,
    then: Then = None,
) -> NightSummary:
    """Protects exactly the shards of CLEAN that have no receipt in DEST; finished shards are not touched.

    Of preset and settings only `runtime` is used: the protector has all others. With `ready: stats` no half-written
    tar is taken from a disk; objects in S3 are whole as soon as they are listed. New shards of a corpus with twins
    get coins of their own from its key.
    """
    end_stale_runs()
    trim_logs(home())
    job = stored_job(clean, dest, protector, chosen(preset, settings, runtime=runtime).runtime, keys(twins_key))
    summary = protect_waiting(job, plan_night(job, ready))
    say_if_given_up()
    if then is not None and summary.protected:
        announce_corpus(dest, summary.fingerprint, then)
    return summary


def protect_waiting(job: ProtectJob, plan: NightPlan) -> NightSummary:
    """Publishes the shards of a plan. What can be done is done, listed and kept before a failure is raised."""
    try:
        with shard_runner_of(job.runtime) as runner:
            done = map_shards(publish_shard, plan.waiting, runner=runner, set_aside=_SET_ASIDE, job=job)
    except ShardsFailed as failure:
        finish_night(job, list(failure.results.values()), failure.failures, plan)
        raise ShardsFailed(failure.failures, failure.results, about_failed_shards(job.dest)) from failure
    return finish_night(job, list(done.values()), {}, plan)
