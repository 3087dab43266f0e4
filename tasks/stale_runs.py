"""Runs of this run's own deployment that died unseen: while the server was away, or before there were automations."""

from datetime import timedelta
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings
from prefect.states import Crashed
from prefect.types._datetime import now

from tasks.progress import say
from tasks.this_run import own_flow_run

SILENCE = timedelta(minutes=5)
"""Ten heartbeats: as long as the automation waits that marks dead runs."""


def end_stale_runs(silence: timedelta = SILENCE) -> list[str]:
    """Marks other runs of this run's deployment as Crashed that have sent no heartbeat for so long; says which.

    Returns their names. Does nothing outside of a deployment's run, or where this run sends no heartbeats either. A
    server that does not answer stops no night.
    """
    run = own_flow_run()
    if run is None or run.deployment_id is None or get_current_settings().flows.heartbeat_frequency is None:
        return []
    ended = []
    try:
        with get_client(sync_client=True) as client:
            for other in _open_runs(client, run.deployment_id):
                if other.id != run.id and _is_silent(client, other, silence):
                    client.set_flow_run_state(other.id, Crashed(message=_why(silence)), force=True)
                    say(f"{other.name} was still {other.state_name} and had died: it is Crashed now")
                    ended.append(other.name)
    except (httpx.HTTPError, PrefectException) as error:
        say(f"could not look for runs that had died: {error}")
    return ended


def say_if_given_up() -> bool:
    """Says so if the server took this run for dead while it lived. Its work counts all the same: receipts decide."""
    run = own_flow_run()
    if run is None:
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run.id).state
    except (httpx.HTTPError, PrefectException):
        return False
    if state is None or not state.is_crashed():
        return False
    say(f"the server marked this run as Crashed while it lived ({state.message}): what it finished is finished")
    return True


def _open_runs(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    begun = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=begun)),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
    )


def _is_silent(client: SyncPrefectClient, run: FlowRun, silence: timedelta) -> bool:
    since = now("UTC") - silence
    if run.state is not None and run.state.timestamp > since:
        return False
    heartbeats = {
        "occurred": {"since": since.isoformat()},
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
    }
    return not client.request("POST", "/events/filter", json={"filter": heartbeats, "limit": 1}).json()["events"]


def _why(silence: timedelta) -> str:
    return f"No heartbeat for {silence.total_seconds() / 60:g} minutes, as the next run of its deployment found."
