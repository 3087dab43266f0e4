"""A night, then a victim, then its evaluation, each as a run of its own deployment on whatever workers there are.

The same as the triggers of `prefect.yaml`, for those who would rather have one run that waits for all of them.
"""

from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from mem_core.common.errors import StopRun
from tasks.events import Measure
from tasks.nightly import corpus_manifest


@flow(name="chain", flow_run_name="chain into {dest}")
def chain(clean: str, dest: str, then: Measure, protector: str | None = None) -> str:
    """Returns the address of the evaluated victim. Raises `StopRun` with the sentence of the run that failed."""
    night = {"clean": clean, "dest": dest, "protector": protector, "runtime": then.runtime.model_dump(mode="json")}
    _run("nightly/nightly", night)
    training = then.training(dest, corpus_manifest(dest).fingerprint)
    _run("train/train", training)
    _run(
        "evaluate/evaluate",
        {
            "victim": training["out"],
            "test": then.test,
            "config": training["evaluate"],
            "runtime": training["runtime"],
            "label": training["label"],
        },
    )
    return str(training["out"])


def _run(deployment: str, parameters: dict[str, Any]) -> None:
    run = cast(FlowRun, run_deployment(deployment, parameters=parameters))  # a coroutine only in async flows
    if not run.state or not run.state.is_completed():
        said = run.state.message if run.state else "it has no state"
        raise StopRun(f"expected the run {run.name} of {deployment} to complete, but: {said}")
