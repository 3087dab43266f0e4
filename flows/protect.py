"""Protects a clean corpus: the rounds of MEM over all shards, then every shard as it will be published."""

import time

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.local_server.server import estimates, keys
from flows.mapping import map_shards
from flows.shard_runner import shard_runner_of
from mem_core.common.formatting import corpus_name
from mem_core.config import ProtectConfig, RunnerConfig
from mem_core.protect.protection import TwinsWanted
from mem_core.protect.remaining import OnMismatch
from mem_core.protect.round_loop import Rounds
from tasks.estimating import note_run
from tasks.events import Measure, announce_corpus
from tasks.progress import say
from tasks.protecting import (
    ProtectSummary,
    begin_protection,
    finish_fit,
    finish_protection,
    plan_publishing,
    publish_shard,
    train_surrogate,
    update_shard,
)
from tasks.workspace import ProtectJob


def _run_name() -> str:
    given = flow_run.parameters
    return f"protect {corpus_name(given['dest'])} with {given['config'].method}"


@flow(name="protect", flow_run_name=_run_name, task_runner=ThreadPoolTaskRunner())  # type: ignore[arg-type]
def protect(
    clean: str,
    dest: str,
    config: ProtectConfig = ProtectConfig(),
    runtime: RunnerConfig = RunnerConfig(),
    seed: int = 0,
    protector: str | None = None,
    reuse: str | None = None,
    on_mismatch: OnMismatch = "fail",
    then: Measure | None = None,
    twins: float | None = None,
    twins_key: str | None = None,
) -> ProtectSummary:
    """Fits a protector where none is given, then publishes all shards; only what is missing is done.

    protector: the folder of a finished one, with `strategy: replay`. reuse: for a control that is a part of a method,
    the corpus protected by that method, whose noise or trigger words it publishes. on_mismatch: what to
    do with finished shards that were made from other input or with other settings, or whose files are missing or of
    another size; redo makes them again.
    then: what to measure afterwards, by the triggers of the deployments `train` and `evaluate`, if anything was made.
    twins: the share of the samples of which another version is kept in DEST/twins. twins_key: the path of the secret
    key that decides which version is published, where it is not among those of this installation.
    """
    job = ProtectJob(
        clean=clean,
        dest=dest,
        config=config,
        runtime=runtime,
        seed=seed,
        protector=protector,
        reuse=reuse,
        on_mismatch=on_mismatch,
        twins=None if twins is None else TwinsWanted(share=twins, key=keys(twins_key)),
    )
    started = time.monotonic()
    plan = begin_protection(job)
    with shard_runner_of(runtime) as runner:
        if plan.rounds:
            rounds = Rounds(config)
            for number in rounds:
                runner.alone(train_surrogate, job=job, number=number + 1)
                mean = rounds.close(map_shards(update_shard, plan.shards, runner=runner, job=job, number=number + 1))
                say(f"{job.method} round {number + 1} of {plan.rounds}: mean noise loss {mean:.3f}")
            finish_fit(job, rounds.losses)
        todo = plan_publishing(job)
        published = map_shards(publish_shard, todo.waiting, runner=runner, job=job)
    summary = finish_protection(job, todo, list(published.values()))
    if plan.fresh:
        samples = sum(summary.counts.values())
        note_run(estimates(), config, runtime, samples, time.monotonic() - started, dest)
    if then is not None and summary.repeated < summary.shards:
        announce_corpus(dest, summary.fingerprint, then)
    return summary
