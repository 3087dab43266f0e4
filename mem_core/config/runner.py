"""Who works on the shards of a run."""

from typing import Literal

from pydantic import Field, model_validator

from mem_core.config.runtime import RuntimeConfig


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
    )

    @model_validator(mode="after")
    def _runner_fits(self) -> "RunnerConfig":
        if self.devices and self.runner == "ray":
            raise ValueError("`devices` names those of one machine; with Ray each shard gets a GPU of the cluster")
        if self.ray_address and self.runner != "ray":
            raise ValueError(f"expected `runner: ray` with a `ray_address`, got {self.runner}")
        return self
