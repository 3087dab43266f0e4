"""Protects a clean corpus: the rounds of MEM over all shards, then every shard as it will be published."""

import time
from typing import Annotated

from prefect.runtime import flow_run

from flows.local_server.server import estimates, keys
from flows.mapping import map_shards
from flows.parameters import (
    Clean,
    Dest,
    Preset,
    Protector,
    Runtime,
    Seed,
    Settings,
    Then,
    TwinsKey,
    chosen,
    said,
    whole,
)
from flows.recorded import recorded
from flows.shard_runner import shard_runner_of
from mem_core.common.errors import ConfigError
from mem_core.config import ProtectConfig
from mem_core.protect.protection import TwinsWanted
from mem_core.protect.remaining import OnMismatch
from mem_core.protect.round_loop import Rounds
from tasks.estimating import note_run
from tasks.events import announce_corpus
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
    try:
        method = (given["config"] or chosen(given["preset"], given["settings"]).protect).method
    except ConfigError:  # the run itself says so
        method = "?"
    return f"protect {given['clean']} with {method} into {given['dest']}"


def _told(summary: ProtectSummary) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.counts.items()))
    return f"{counts} in {summary.shards} shards of {summary.uri}, {summary.repeated} of them finished before"


@recorded("protect", run_name=_run_name, told=_told)
def protect(
    clean: Clean,
    dest: Dest,
    preset: Preset = "cpu",
    settings: Settings = (),
    seed: Seed = None,
    protector: Protector = None,
    reuse: Annotated[
        str | None,
        said("For a control that is a part of mem: mem's corpus, whose noise or words it publishes."),
    ] = None,
    on_mismatch: Annotated[
        OnMismatch, said("What becomes of finished shards of other input or settings; redo makes them again.")
    ] = "fail",
    twins: Annotated[
        float | None,
        said("Share of the samples (1: all) of which DEST/twins keeps another version. None: of no sample."),
    ] = None,
    twins_key: TwinsKey = None,
    config: Annotated[ProtectConfig | None, said(whole("protect"))] = None,
    runtime: Runtime = None,
    then: Then = None,
) -> ProtectSummary:
    """Fits a protector where none is given, then publishes all shards; only what is missing is done."""
    run = chosen(preset, settings, seed, protect=config, runtime=runtime)
    job = ProtectJob(
        clean=clean,
        dest=dest,
        config=run.protect,
        runtime=run.runtime,
        seed=run.seed,
        protector=protector,
        reuse=reuse,
        on_mismatch=on_mismatch,
        twins=None if twins is None else TwinsWanted(share=twins, key=keys(twins_key)),
    )
    started = time.monotonic()
    plan = begin_protection(job)
    with shard_runner_of(run.runtime) as runner:
        if plan.rounds:
            rounds = Rounds(run.protect)
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
        note_run(estimates(), run.protect, run.runtime, samples, time.monotonic() - started, dest)
    if then is not None and summary.repeated < summary.shards:
        announce_corpus(dest, summary.fingerprint, then)
    return summary
