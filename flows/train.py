"""Trains a victim on a corpus."""

from typing import Annotated

from prefect.runtime import flow_run

from flows.parameters import Dest, Preset, Runtime, Seed, Settings, Test, Validation, chosen, said, whole
from flows.recorded import recorded
from mem_core.common.formatting import corpus_name, counted
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.record import VictimRecord
from tasks.events import announce_victim
from tasks.training import TrainJob, train_model


def _run_name() -> str:
    given = flow_run.parameters
    seed = "" if given["seed"] is None else f", seed {given['seed']}"
    return f"train on {given['label'] or given['corpus']}{seed}"


def _told(record: VictimRecord) -> str:
    best = f", best epoch {record.best_epoch} of {len(record.history)}" if record.best_epoch else ""
    return f"trained {counted(record.steps, 'step')} on {counted(record.samples, 'sample')}{best}"


@recorded("train", run_name=_run_name, told=_told)
def train(
    corpus: Annotated[str, said("Shards to train on, clean or protected: a folder, or s3://bucket/prefix.")],
    out: Dest,
    test: Test = None,
    validation: Validation = None,
    clean: Annotated[str | None, said("The originals, for countermeasures that take something from them.")] = None,
    preset: Preset = "cpu",
    settings: Settings = (),
    seed: Seed = None,
    config: Annotated[VictimConfig | None, said(whole("victim"))] = None,
    evaluate: Annotated[EvaluateConfig | None, said(whole("evaluate"))] = None,
    runtime: Runtime = None,
    label: Annotated[str, said("What runs and tables call the victim; empty: the name of the corpus.")] = "",
    announce: Annotated[bool, said("Say with an event that the victim is there, so that `evaluate` starts.")] = False,
) -> VictimRecord:
    """Writes victim.safetensors and victim.json into OUT. With `test`, median ranks are recorded as it learns.

    With `validation`, the weights of the best epoch are kept, too, as best.safetensors.
    """
    run = chosen(preset, settings, seed, victim=config, evaluate=evaluate, runtime=runtime)
    called = label or corpus_name(corpus)
    record = train_model(
        TrainJob(
            corpus=corpus,
            out=out,
            label=called,
            config=run.victim,
            runtime=run.runtime,
            seed=run.seed,
            test=test,
            evaluate=run.evaluate,
            clean=clean,
            validation=validation or None,
        )
    )
    if announce and test:
        announce_victim(out, test, called, run.evaluate, run.runtime)
    return record
