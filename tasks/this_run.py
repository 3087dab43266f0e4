"""The run that this work is a part of, where Prefect knows of one."""

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, TaskRunContext


def in_run() -> bool:
    """Whether there is a run to show something in."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def own_flow_run() -> FlowRun | None:
    """The flow run, for what the flow's own function calls; None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run if context is not None else None
