"""Protects what came since the last night, with the protector of the first one."""

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.advice import about_failed_shards
from flows.local_server.server import keys
from flows.mapping import ShardsFailed, map_shards
from flows.shard_runner import shard_runner_of
from mem_core.common.errors import RetryShard, SourceError
from mem_core.config import RunnerConfig
from mem_core.protect.night import NightPlan, NightSummary, Ready
from tasks.events import Measure, announce_corpus
from tasks.nightly import finish_night, plan_night, stored_job
from tasks.protecting import publish_shard
from tasks.workspace import ProtectJob

_SET_ASIDE = (RetryShard, SourceError)  # a tar that cannot be read must not hold up the others of its night


@flow(name="nightly", flow_run_name="nightly into {dest}", task_runner=ThreadPoolTaskRunner())  # type: ignore[arg-type]
def nightly(
    clean: str,
    dest: str,
    protector: str | None = None,
    runtime: RunnerConfig = RunnerConfig(),
    ready: Ready = "tar",
    then: Measure | None = None,
    twins_key: str | None = None,
) -> NightSummary:
    """Protects exactly the shards of CLEAN that have no receipt in DEST; finished shards are not touched.

    protector: the folder of a finished one, DEST/protector if none is named; its settings and seed hold. ready:
    `stats` waits for a shard's _stats.json, which img2dataset writes last, so that no half-written tar is taken from
    a disk; objects in S3 are whole as soon as they are listed. then: what to measure afterwards, by the triggers of
    the deployments `train` and `evaluate`, if anything was new. twins_key: the path of the secret key, where DEST has
    twins and it is not among the keys of this installation; new shards get coins of their own from it.
    """
    job = stored_job(clean, dest, protector, runtime, keys(twins_key))
    summary = protect_waiting(job, plan_night(job, ready))
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
