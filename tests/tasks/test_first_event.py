"""A run that a schedule began sends the event that the server leaves out, by the id that the next one names."""

from typing import Any
from unittest.mock import patch

import pytest
from prefect import flow, get_client

from tasks import first_event


@pytest.mark.parametrize("by_schedule", [True, False])
def test_its_id_is_that_of_the_first_state(prefect_api: str, by_schedule: bool) -> None:
    @flow
    def planned() -> None:
        return None

    with get_client(sync_client=True) as client:
        run = client.create_flow_run(planned)
        first = client.read_flow_run_states(run.id)[0]
    run.auto_scheduled = by_schedule
    sent: list[dict[str, Any]] = []
    with (
        patch.object(first_event, "own_flow_run", lambda: run),
        patch.object(first_event, "emit_event", lambda event, **more: sent.append({"event": event, **more})),
    ):
        first_event.send_first_event()
    assert [(each["event"], each["id"]) for each in sent] == [("prefect.flow-run.Scheduled", first.id)] * by_schedule
    assert all(each["resource"]["prefect.resource.id"] == f"prefect.flow-run.{run.id}" for each in sent)
