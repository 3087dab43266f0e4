"""The chain of triggers: what an event carries is what the next flow takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mem_core.experiments.config import RunConfig
from mem_core.victim.config import EvaluateConfig
from tasks.events import PROTECTED, TRAINED, Measure

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = {entry["name"]: entry for entry in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
FIELD = re.compile(r"\{\{ event\.payload\.(\w+)\.(\w+) \}\}")


def test_the_triggers_take_what_the_events_carry(monkeypatch: pytest.MonkeyPatch, smoke: RunConfig) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr("tasks.events.emit_event", lambda **event: said.append(event))
    from tasks.events import announce_corpus, announce_victim

    then = Measure(test="s3://b/test", out="s3://b/victims", victim=smoke.victim, runtime=smoke.runtime)
    announce_corpus("s3://b/corpus", "ab" * 32, then)
    announce_victim("s3://b/victims/x", "s3://b/test", "x", EvaluateConfig(), smoke.runtime)
    for name, event in zip(("train", "evaluate"), said, strict=True):
        (trigger,) = DEPLOYMENTS[name]["triggers"]
        assert trigger["expect"] == [event["event"]]
        start = trigger["match"]["prefect.resource.id"].removesuffix("*")
        assert event["resource"]["prefect.resource.id"].startswith(start)
        rendered = {key: _rendered(value, event["payload"]) for key, value in trigger["parameters"].items()}
        _flow(name).validate_parameters(rendered)  # as a worker does before it runs the flow
    assert [event["event"] for event in said] == [PROTECTED, TRAINED]
    assert said[0]["resource"]["memshield.manifest"] == "s3://b/corpus/manifest.json"
    assert said[0]["payload"]["train"]["out"] == "s3://b/victims/abababababab"


def test_parameters_of_version_0_3_0_are_taken() -> None:
    """A schedule or an event that was stored then names runner and address under `runtime`."""
    runtime = {"runner": "ray", "device": "cpu", "devices": [], "ray_address": "head:6379", "workers": 2}
    runtime |= {"precision": "auto", "cache_mb": 64}
    then = {"test": "s3://b/test", "out": "s3://b/victims", "runtime": runtime}
    _flow("nightly").validate_parameters({"clean": "s3://b/c", "dest": "s3://b/d", "runtime": runtime, "then": then})
    _flow("train").validate_parameters({"corpus": "s3://b/c", "out": "s3://b/o", "runtime": runtime})
    _flow("evaluate").validate_parameters({"victim": "s3://b/o", "test": "s3://b/test", "runtime": runtime})


def test_no_other_deployment_is_started_by_an_event() -> None:
    assert {name for name, entry in DEPLOYMENTS.items() if entry.get("triggers")} == {"train", "evaluate"}


def _rendered(value: Any, payload: dict[str, Any]) -> Any:
    match = FIELD.fullmatch(value) if isinstance(value, str) else None
    return payload[match[1]][match[2]] if match else value


def _flow(name: str) -> Any:
    from flows.evaluate import evaluate
    from flows.nightly import nightly
    from flows.train import train

    return {"nightly": nightly, "train": train, "evaluate": evaluate}[name]
