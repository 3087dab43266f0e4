"""What the caller of a flow gets."""

from typing import Any

import httpx
import pytest
from prefect.client.base import PrefectHttpxSyncClient

from flows.recorded import recorded

pytestmark = pytest.mark.usefixtures("prefect_api")


def test_a_run_whose_end_the_server_was_told_twice_returns_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Prefect tells it again where no answer came; the server then gives its own record back, without a result."""
    once, told = PrefectHttpxSyncClient.send, []

    def twice(client: PrefectHttpxSyncClient, request: httpx.Request, *args: Any, **kwargs: Any) -> httpx.Response:
        answer = once(client, request, *args, **kwargs)
        if b'"COMPLETED"' not in request.content or "/flow_runs/" not in str(request.url):
            return answer
        told.append(answer.json()["status"])
        return once(client, request, *args, **kwargs)

    monkeypatch.setattr(PrefectHttpxSyncClient, "send", twice)

    @recorded("inner, told twice", run_name="below, told twice", told=str)
    def inner(number: int) -> dict[str, int]:
        return {"found": number}

    @recorded("outer, told twice", run_name="above, told twice", told=str)
    def outer() -> list[dict[str, int]]:
        return [inner(1), inner(2)]

    assert outer() == [{"found": 1}, {"found": 2}]
    assert told == ["ACCEPT"] * 3


def test_an_error_is_the_callers() -> None:
    @recorded("failing", run_name="failing", told=str)
    def failing() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
