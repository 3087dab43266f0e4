"""Where a step computes, and who works on the shards: a sentence for what makes no sense."""

import pytest

from mem_core.common.errors import ConfigError
from mem_core.config import RunnerConfig, RuntimeConfig, parse_config
from mem_core.experiments.config import RunConfig


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"workers": 0}, "greater than or equal to 1"),
        ({"devices": ["gpu7"]}, "should match pattern"),
        ({"devices": ["auto"]}, "should match pattern"),
        ({"devices": ["cuda:1", "cuda:1"]}, "expected each device once in `devices`, got cuda:1 more than once"),
        ({"devices": ["cuda", "cuda:0"]}, "expected each device once in `devices`, got cuda:0 more than once"),
        ({"devices": ["cuda:0"], "device": "cpu"}, "expected `device` or `devices`, got cpu and cuda:0"),
        ({"devices": ["cuda:0"], "runner": "ray"}, "with Ray each shard gets a GPU of the cluster"),
        ({"ray_address": "head:6379"}, "expected `runner: ray` with a `ray_address`, got threads"),
        ({"runner": "dask"}, "'threads' or 'ray'"),
    ],
)
def test_runtimes_that_make_no_sense_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_config(RunnerConfig, values, "test")


def test_what_computes_takes_no_runner() -> None:
    with pytest.raises(ConfigError, match="runner: is not a setting"):
        parse_config(RuntimeConfig, {"runner": "ray"}, "test")


def test_a_run_takes_both_under_runtime_as_version_0_3_0_wrote_them() -> None:
    stored = {
        "runner": "ray",
        "device": "cpu",
        "devices": [],
        "ray_address": "head:6379",
        "precision": "auto",
        "workers": 3,
        "cache_mb": 64,
    }
    runtime = parse_config(RunConfig, {"runtime": stored}, "test").runtime
    assert isinstance(runtime, RuntimeConfig)
    assert runtime.model_dump(mode="json") == stored | {"checkpoint_minutes": 5, "shards_per_task": 1}
