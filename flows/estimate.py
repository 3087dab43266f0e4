"""What a run will take, before it is begun."""

from typing import Annotated

from flows.parameters import said
from flows.recorded import recorded
from mem_core.common.formatting import duration
from tasks.estimating import EstimateJob, RunEstimate, estimate_run


def _told(found: RunEstimate) -> str:
    return f"about {duration(sum(stage.seconds for stage in found.stages))}"


@recorded("estimate", run_name="estimate {job.source}", told=_told)
def estimate(
    job: Annotated[EstimateJob, said("The source, the settings, what is to be estimated.")],
) -> RunEstimate:
    """Time, GPU memory, storage and requests, from a short calibration of the real steps on the real images."""
    return estimate_run(job)
