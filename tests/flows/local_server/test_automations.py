"""Automations of a server: made once, renewed when they change, and alerts to the block that was named."""

import json
from typing import Any

import pytest
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.webhook import Webhook

from flows.local_server import automations
from flows.local_server.installation import _ask
from mem_core.common.errors import ConfigError

pytestmark = pytest.mark.usefixtures("prefect_api")


def there() -> dict[str, Any]:
    return {automation["name"]: automation for automation in _ask("POST", "/automations/filter", {})}


def test_an_automation_that_has_not_changed_is_left_alone_as_it_may_watch_a_run() -> None:
    watching = automations.watching()
    automations.renew(_ask, watching)
    before = there()
    assert automations.renew(_ask, watching) == []
    first = watching[0]
    slower = {**first, "trigger": {**first["trigger"], "within": 777}}
    assert automations.renew(_ask, [slower, *watching[1:]]) == [first["name"]]
    after = there()
    assert after[first["name"]]["id"] == before[first["name"]]["id"]
    assert after[first["name"]]["trigger"]["within"] == 777
    assert after[watching[1]["name"]] == before[watching[1]["name"]]


def test_alerts_go_to_the_block_that_is_named_and_can_be_taken_away() -> None:
    SlackWebhook(url="https://hooks.slack.example/x").save("watch", overwrite=True)
    Webhook(url="http://127.0.0.1:9/").save("pager", overwrite=True)
    names = [alert["name"] for alert in automations.alerts()]
    for block, kind in (("slack-webhook/watch", "send-notification"), ("pager", "call-webhook")):
        assert automations.renew(_ask, automations.alerts_to(_ask, block)) == names
        assert {there()[name]["actions"][0]["type"] for name in names} == {kind}
    assert automations.known_among(_ask, names) == names
    assert automations.remove(_ask, names) == names
    assert automations.known_among(_ask, names) == []


def test_a_block_that_is_not_there_is_answered_with_those_that_are() -> None:
    SlackWebhook(url="https://hooks.slack.example/x").save("watch", overwrite=True)
    with pytest.raises(ConfigError, match=r"got 'wtach'; there are .*slack-webhook/watch"):
        automations.alerts_to(_ask, "wtach")


def test_what_a_webhook_is_sent_is_json_whatever_a_message_holds() -> None:
    """The server renders it; here its own sandbox does."""
    from prefect.server.utilities.user_templates import render_user_template_sync

    alert = {"subject": "memshield: {{ name }}", "body": 'said "{{ name }}"\n'}
    action = automations._webhook("id", alert)
    text = render_user_template_sync(action["payload"], {"name": 'a "quoted"\nname'})
    assert json.loads(text) == {"subject": 'memshield: a "quoted"\nname', "text": 'said "a "quoted"\nname"'}
