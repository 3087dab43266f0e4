"""Tries again what failed, and nothing else."""

from typing import Annotated

from flows.local_server.server import keys
from flows.nightly import protect_waiting
from flows.parameters import Dest, Preset, Runtime, Settings, TwinsKey, chosen, said
from flows.recorded import recorded
from mem_core.protect.night import NightSummary
from tasks.nightly import night_told, nothing_to_retry, plan_retry, retry_job


@recorded("retry", run_name="retry {dest}", told=night_told)
def retry(
    dest: Dest,
    clean: Annotated[str | None, said("The clean shards. None: as the run that failed noted them.")] = None,
    protector: Annotated[str | None, said("Folder of the protector. None: as the run that failed noted it.")] = None,
    twins_key: TwinsKey = None,
    preset: Preset = "cpu",
    settings: Settings = (),
    runtime: Runtime = None,
) -> NightSummary:
    """Shards that failed after every try, and shards with failed samples whose clean tar has been replaced since.

    Of preset and settings only `runtime` is used: the protector has all others.
    """
    if clean is None and (nothing := nothing_to_retry(dest)) is not None:
        return nothing
    job = retry_job(dest, clean, protector, chosen(preset, settings, runtime=runtime).runtime, keys(twins_key))
    return protect_waiting(job, plan_retry(job))
