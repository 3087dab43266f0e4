"""Queries a victim on clean test pairs."""

from prefect import flow

from mem_core.config import RunnerConfig
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.evaluation import Evaluation
from tasks.training import evaluate_model


@flow(name="evaluate", flow_run_name="evaluate {label}")
def evaluate(
    victim: str,
    test: str,
    config: EvaluateConfig = EvaluateConfig(),
    runtime: RunnerConfig = RunnerConfig(),
    label: str = "victim",
) -> Evaluation:
    """Writes evaluation.json beside the victim: both directions, bare and prefixed, and chance."""
    return evaluate_model(victim, test, label, config, runtime)
