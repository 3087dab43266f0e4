"""Where a run computes, in which precision and how many shards at once."""

from typing import Literal

from pydantic import Field, model_validator

from mem_core.config.base import Frozen
from mem_core.config.values import Device


class RuntimeConfig(Frozen):
    """Where and how fast a step computes; never part of a fingerprint."""

    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")
    devices: tuple[Device, ...] = Field(
        (), description="of this machine, each with a shard of its own in work; none: all work on `device`"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 where it is native")
    cache_mb: int = Field(2048, ge=0, description="decoded pixels kept in memory; others are decoded at each use")

    @model_validator(mode="after")
    def _devices_fit(self) -> "RuntimeConfig":
        numbered = ["cuda:0" if device == "cuda" else device for device in self.devices]
        twice = sorted({device for device in numbered if numbered.count(device) > 1})
        if twice:
            raise ValueError(f"expected each device once in `devices`, got {', '.join(twice)} more than once")
        if self.devices and self.device not in ("auto", self.devices[0]):
            raise ValueError(f"expected `device` or `devices`, got {self.device} and {', '.join(self.devices)}")
        return self
