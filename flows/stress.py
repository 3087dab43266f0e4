"""Trains victims under every countermeasure, and shows what protection is left."""

from prefect import flow

from mem_core.audit.stress.attacks import Suite
from mem_core.audit.stress.stress_test import StressSettings
from mem_core.config import RunnerConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig
from tasks.stressing import (
    StressJob,
    StressPlace,
    measure_cell,
    measure_detectability,
    plan_stress,
    report_stress,
)


@flow(name="stress", flow_run_name="stress test of {protected}")
def stress(
    protected: str,
    clean: str,
    test: str,
    out: str,
    suite: Suite = "default",
    victim: VictimConfig = VictimConfig(),
    evaluate: EvaluateConfig = EvaluateConfig(),
    runtime: RunnerConfig = RunnerConfig(),
    seeds: tuple[int, ...] = (0,),
    samples: int = 2000,
    pretrained: str = "",
    validation: str | None = None,
) -> StressPlace:
    """Writes OUT/stress.html and OUT/cells/*.json; a test that was killed goes on where it was.

    clean: the originals of `protected`, for the controls. samples: pairs that each victim trains on at most, which
    bounds the cost whatever the size of the corpus. pretrained: weights for one more row of the full suite.
    validation: further clean pairs, by which the best epoch of each victim is chosen; without them no row can be
    judged.
    """
    settings = StressSettings(
        suite=suite,
        victim=victim,
        evaluate=evaluate,
        runtime=runtime,
        seeds=seeds,
        samples=samples,
        pretrained=pretrained,
    )
    job = StressJob(protected=protected, clean=clean, test=test, out=out, validation=validation, settings=settings)
    plan = plan_stress(job)
    found = measure_detectability(job)
    results = [measure_cell(job, plan, cell) for cell in plan.cells]
    return report_stress(job, plan, results, found)
