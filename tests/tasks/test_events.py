"""What an event carries: the next flow's parameters as JSON values, and a folder for each night's victim."""

import json

from mem_core.config import RunnerConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig
from tasks.events import Measure


def test_every_fingerprint_has_a_victim_of_its_own() -> None:
    then = Measure(test="s3://b/test", out="s3://b/victims")
    one, other = (then.training("s3://b/corpus", letter * 64) for letter in "ab")
    assert (one["out"], other["out"]) == ("s3://b/victims/aaaaaaaaaaaa", "s3://b/victims/bbbbbbbbbbbb")
    assert (one["label"], one["corpus"], one["test"]) == ("corpus aaaaaaaaaaaa", "s3://b/corpus", "s3://b/test")


def test_all_settings_come_through_json() -> None:
    then = Measure(
        test="/test",
        out="/victims",
        victim=VictimConfig(epochs=3, crop_scale=(0.5, 1.0)),
        evaluate=EvaluateConfig(prefix_length=5),
        runtime=RunnerConfig(device="cpu", workers=4),
        seed=7,
    )
    carried = json.loads(json.dumps(then.training("/corpus", "c" * 64)))
    assert VictimConfig.model_validate(carried["config"]) == then.victim
    assert EvaluateConfig.model_validate(carried["evaluate"]) == then.evaluate
    assert RunnerConfig.model_validate(carried["runtime"]) == then.runtime
    assert carried["seed"] == 7
