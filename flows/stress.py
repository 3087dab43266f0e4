"""Trains victims under every countermeasure, and shows what protection is left."""

from typing import Annotated

from flows.local_server.server import scratch
from flows.parameters import Clean, Preset, Protected, Runtime, Settings, Validation, chosen, said, whole
from flows.recorded import recorded
from mem_core.audit.stress.attacks import Suite
from mem_core.audit.stress.page import stress_headline
from mem_core.audit.stress.stress_test import StressSettings
from mem_core.victim.config import EvaluateConfig, VictimConfig
from tasks.stressing import (
    StressJob,
    StressPlace,
    measure_cell,
    measure_detectability,
    plan_stress,
    report_stress,
)


@recorded("stress", run_name="stress test of {protected}", told=lambda place: stress_headline(place.report.findings))
def stress(
    protected: Protected,
    clean: Clean,
    test: Annotated[str, said("Clean test shards to query victims on.")],
    out: Annotated[str, said("Folder to write into, or s3://bucket/prefix.")],
    validation: Validation = None,
    suite: Annotated[Suite, said("default: a dozen attacks; full: all of them.")] = "default",
    samples: Annotated[int, said("Pairs that each victim trains on at most: this bounds the cost.")] = 2000,
    pretrained: Annotated[str, said("Weights for the row whose victim is fine-tuned, of the full suite.")] = "",
    preset: Preset = "cpu",
    settings: Settings = (),
    seeds: Annotated[tuple[int, ...], said("Victims of each row; none: the preset's victim_seeds.")] = (),
    victim: Annotated[VictimConfig | None, said(whole("victim"))] = None,
    evaluate: Annotated[EvaluateConfig | None, said(whole("evaluate"))] = None,
    runtime: Runtime = None,
) -> StressPlace:
    """Writes OUT/stress.html and OUT/cells/*.json; a test that was killed goes on where it was.

    Without validation pairs no row can be judged.
    """
    run = chosen(preset, settings, victim=victim, evaluate=evaluate, runtime=runtime)
    wanted = StressSettings(
        suite=suite,
        victim=run.victim,
        evaluate=run.evaluate,
        runtime=run.runtime,
        seeds=seeds or run.victim_seeds,
        samples=samples,
        pretrained=pretrained,
    )
    work = scratch(out) if "://" in out else None
    job = StressJob(
        protected=protected, clean=clean, test=test, out=out, validation=validation, work=work, settings=wanted
    )
    plan = plan_stress(job)
    found = measure_detectability(job)
    results = [measure_cell(job, plan, cell) for cell in plan.cells]
    return report_stress(job, plan, results, found)
