"""Tries again what failed, and nothing else."""

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.local_server.server import keys
from flows.nightly import protect_waiting
from mem_core.config import RunnerConfig
from mem_core.protect.night import NightSummary
from tasks.nightly import plan_retry, retry_job


@flow(name="retry", flow_run_name="retry {dest}", task_runner=ThreadPoolTaskRunner())  # type: ignore[arg-type]
def retry(
    dest: str,
    clean: str | None = None,
    protector: str | None = None,
    runtime: RunnerConfig = RunnerConfig(),
    twins_key: str | None = None,
) -> NightSummary:
    """Shards that failed after every try, and shards with failed samples whose clean tar has been replaced since.

    clean, protector: as the run that failed noted them, unless they are named here. twins_key: as of `nightly`.
    """
    job = retry_job(dest, clean, protector, runtime, keys(twins_key))
    return protect_waiting(job, plan_retry(job))
