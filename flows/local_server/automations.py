"""What a server does by itself about memshield's runs: marks dead ones, and tells somebody where that was asked for.

Nothing here imports Prefect: `Ask` sends a request to its API, whoever has a client.
"""

import hashlib
import json
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any

from mem_core.common.errors import ConfigError
from mem_core.config.base import parse_yaml

Ask = Callable[[str, str, Any], Any]
"""(method, path below /api, JSON body) -> JSON answer."""

Definition = Mapping[str, Any]

_ANSWER_SECONDS = 60.0  # on a busy machine
_WEBHOOK = "webhook"  # Prefect's block for any address: it is called, where others notify
_SENTENCES = {"subject": "subject", "text": "body"}  # keys of a webhook's JSON: those of an alert


def asking(url: str) -> Ask:
    """How a server of ours is asked, which wants no password; url: of its API."""

    def ask(method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}{path}", data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return json.loads(answer.read() or b"null")

    return ask


def watching() -> list[Definition]:
    """The automations that every server gets."""
    return _definitions("automations.yaml")


def alerts() -> list[Definition]:
    """The automations that tell somebody, still without an action: who is told is the user's choice."""
    return _definitions("alerts.yaml")


def renew(ask: Ask, wanted: Iterable[Definition]) -> list[str]:
    """Makes or replaces automations by name; returns the names of those that changed. One that runs a deployment which
    the server does not have is passed over.

    One whose definition is the same is left alone: it may be watching a run, and somebody may have switched it off.
    """
    known = _known(ask)
    changed = []
    for definition in (_with_deployment(ask, definition) for definition in wanted):
        if definition is None:
            continue
        name, tag = definition["name"], _tag(definition)
        old = known.get(name)
        if old is not None and tag in old["tags"]:
            continue
        body = {**definition, "tags": [tag]}
        ask("PUT", f"/automations/{old['id']}", body) if old else ask("POST", "/automations/", body)
        changed.append(name)
    return changed


def remove(ask: Ask, names: Iterable[str]) -> list[str]:
    """Deletes those that exist; returns their names."""
    known = _known(ask)
    gone = [name for name in names if name in known]
    for name in gone:
        ask("DELETE", f"/automations/{known[name]['id']}", None)
    return gone


def known_among(ask: Ask, names: Iterable[str]) -> list[str]:
    """Those names that the server has automations of."""
    known = _known(ask)
    return [name for name in names if name in known]


def alerts_to(ask: Ask, block: str) -> list[Definition]:
    """All alerts, sent to a notification block, `TYPE/NAME` or NAME. Raises `ConfigError` if there is none such."""
    blocks = _blocks(ask)
    found = {label: value for label, value in blocks.items() if block in (label, label.partition("/")[2])}
    if len(found) != 1:
        there = ", ".join(sorted(blocks)) or "none yet: make one in the UI under Blocks, such as Slack Webhook"
        raise ConfigError(f"expected the name of one notification block, got {block!r}; there are {there}")
    ((label, identity),) = found.items()
    action = _webhook if label.startswith(f"{_WEBHOOK}/") else _notification
    return [_sent(alert, action(identity, alert)) for alert in alerts()]


def _definitions(name: str) -> list[Definition]:
    text = files("deployments").joinpath(name).read_text(encoding="utf-8")
    return list(parse_yaml(text, name))


def _with_deployment(ask: Ask, definition: Definition) -> Definition | None:
    """With the id of the deployment that its action names; None if there is none such."""
    name = definition["actions"][0].get("deployment")
    if name is None:
        return definition
    flow, _, deployment = name.partition("/")
    found = ask(
        "POST",
        "/deployments/filter",
        {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [deployment]}}},
    )
    if not found:
        return None
    action = {key: value for key, value in definition["actions"][0].items() if key != "deployment"}
    return {**definition, "actions": [{**action, "deployment_id": found[0]["id"]}]}


def _known(ask: Ask) -> dict[str, Any]:
    return {automation["name"]: automation for automation in ask("POST", "/automations/filter", {})}


def _tag(definition: Definition) -> str:
    return "memshield-" + hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:12]


def _blocks(ask: Ask) -> dict[str, str]:
    """TYPE/NAME -> id of all blocks that can tell somebody something."""
    notifying = {"block_schemas": {"block_capabilities": {"all_": ["notify"]}}}
    calling = {"block_types": {"slug": {"any_": [_WEBHOOK]}}}
    found = [block for which in (notifying, calling) for block in ask("POST", "/block_documents/filter", which)]
    return {f"{block['block_type']['slug']}/{block['name']}": block["id"] for block in found}


def _sent(alert: Definition, action: dict[str, Any]) -> Definition:
    return {key: value for key, value in alert.items() if key not in _SENTENCES.values()} | {"actions": [action]}


def _notification(block: str, alert: Definition) -> dict[str, Any]:
    sentences = {key: alert[key] for key in _SENTENCES.values()}
    return {"type": "send-notification", "block_document_id": block, **sentences}


def _webhook(block: str, alert: Definition) -> dict[str, Any]:
    """JSON with Slack's key `text`; what templates fill in is quoted by the server."""
    parts = [f"{{% set {key} %}}{alert[of].strip()}{{% endset %}}" for key, of in _SENTENCES.items()]
    fields = ", ".join(f'"{key}": {{{{ {key} | tojson }}}}' for key in _SENTENCES)
    return {"type": "call-webhook", "block_document_id": block, "payload": "".join(parts) + "{" + fields + "}"}
