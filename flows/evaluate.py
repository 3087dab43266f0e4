"""Queries a victim on clean test pairs."""

from typing import Annotated

from prefect.runtime import flow_run

from flows.parameters import Preset, Runtime, Settings, chosen, said, whole
from flows.recorded import recorded
from mem_core.common.formatting import corpus_name
from mem_core.victim.config import EvaluateConfig
from mem_core.victim.result import Evaluation
from tasks.artifacts import retrieval_note
from tasks.training import evaluate_model


def _run_name() -> str:
    given = flow_run.parameters
    return f"evaluate {given['label'] or given['victim']}"


@recorded("evaluate", run_name=_run_name, told=retrieval_note)
def evaluate(
    victim: Annotated[str, said("Folder of the victim, as `train` wrote it.")],
    test: Annotated[str, said("Clean test shards to query it on.")],
    preset: Preset = "cpu",
    settings: Settings = (),
    config: Annotated[EvaluateConfig | None, said(whole("evaluate"))] = None,
    runtime: Runtime = None,
    label: Annotated[str, said("What runs and tables call the victim; empty: the name of its folder.")] = "",
) -> Evaluation:
    """Writes evaluation.json beside the victim: both directions, bare and prefixed, and chance."""
    run = chosen(preset, settings, evaluate=config, runtime=runtime)
    return evaluate_model(victim, test, label or corpus_name(victim), run.evaluate, run.runtime)
