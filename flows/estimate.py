"""What a run will take, before it is begun."""

from prefect import flow

from tasks.estimating import EstimateJob, RunEstimate, estimate_run


@flow(name="estimate", flow_run_name="estimate {job.source}")
def estimate(job: EstimateJob) -> RunEstimate:
    """Time, GPU memory, storage and requests, from a short calibration of the real steps on the real images."""
    return estimate_run(job)
