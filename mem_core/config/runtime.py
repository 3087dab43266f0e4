"""Where a run computes, in which precision, how many shards at once, and who works on them."""

from typing import Literal

from pydantic import Field, model_validator

from mem_core.config.base import Frozen, unit
from mem_core.config.values import Device


class RuntimeConfig(Frozen):
    """Where and how fast a step computes; never part of a fingerprint."""

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$",
        description="what computes; auto: a GPU where there is one, or else the CPU",
        json_schema_extra={"range": "auto, cpu, mps, cuda, cuda:0, cuda:1, ..."},
    )
    devices: tuple[Device, ...] = Field(
        (), description="devices of this machine, each with a shard of its own in work; none: all work on `device`"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of the model's arithmetic; auto: bfloat16 where the device has it natively, or else float32",
    )
    cache_mb: int = Field(
        2048,
        ge=0,
        description="decoded pixels kept in memory, others are decoded at each use; besides, a fit keeps as much "
        "noise, a victim half as much of test images",
        json_schema_extra=unit("MB"),
    )
    checkpoint_minutes: float = Field(
        5,
        ge=0,
        le=1440,
        description="a victim in training is saved so often, and where it pauses; 0: after each epoch",
        json_schema_extra=unit("minutes"),
    )

    @model_validator(mode="after")
    def _devices_fit(self) -> "RuntimeConfig":
        numbered = ["cuda:0" if device == "cuda" else device for device in self.devices]
        twice = sorted({device for device in numbered if numbered.count(device) > 1})
        if twice:
            raise ValueError(f"expected each device once in `devices`, got {', '.join(twice)} more than once")
        if self.devices and self.device not in ("auto", self.devices[0]):
            raise ValueError(f"expected `device` or `devices`, got {self.device} and {', '.join(self.devices)}")
        return self


class RunnerConfig(RuntimeConfig):
    """The `runtime` of a whole run: what its steps compute on, and who does those steps for its shards.

    Nothing else in mem_core reads the latter: what computes takes the `RuntimeConfig` that this is.
    """

    runner: Literal["threads", "ray"] = Field(
        "threads", description="threads of this machine, or a Ray cluster with one GPU a shard"
    )
    ray_address: str = Field(
        "", description="a Ray cluster that is there, as host:6379 or ray://host:10001; empty: one for this run, here"
    )
    workers: int = Field(
        1,
        ge=1,
        le=1024,
        description="shards in work at the same time; never fewer than `devices`, or than Ray has room for",
        json_schema_extra=unit("shards"),
    )

    shards_per_task: int = Field(
        1,
        ge=1,
        le=10_000,
        description="shards that one task run of Prefect does, one after the other; more than a few thousand task runs "
        "in a run are slow to keep and to look at",
        json_schema_extra=unit("shards"),
    )

    @model_validator(mode="after")
    def _runner_fits(self) -> "RunnerConfig":
        if self.devices and self.runner == "ray":
            raise ValueError("`devices` names those of one machine; with Ray each shard gets a GPU of the cluster")
        if self.ray_address and self.runner != "ray":
            raise ValueError(f"expected `runner: ray` with a `ray_address`, got {self.runner}")
        return self
