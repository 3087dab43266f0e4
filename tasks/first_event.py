"""The event that a server leaves out when it plans a run by a schedule.

A server holds back an event for 15 minutes if it has not seen the one before it. Planning a run by a schedule sends
none, so all that such a run does would reach automations late: an alert, or the end of a run that was taken for dead
meanwhile. The run itself sends what is missing, as soon as it begins.
"""

import httpx
from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.exceptions import PrefectException

from tasks.progress import say
from tasks.this_run import own_flow_run

SCHEDULED = "prefect.flow-run.Scheduled"


def send_first_event() -> None:
    """For the run that we are in, if a schedule began it. A server that does not answer stops no run."""
    run = own_flow_run()
    if run is not None and run.auto_scheduled:
        send_first_event_of(run)


def send_first_event_of(run: FlowRun) -> None:
    """Its id is that of the run's first state, as the event of its second state says."""
    try:
        with get_client(sync_client=True) as client:
            first = min(client.read_flow_run_states(run.id), key=lambda state: state.timestamp, default=None)
    except (httpx.HTTPError, PrefectException) as error:
        say(f"could not look for this run's first state, so that alerts about it may come 15 minutes late: {error}")
        return
    if first is not None:
        resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name}
        emit_event(SCHEDULED, resource=resource, occurred=first.timestamp, id=first.id)
