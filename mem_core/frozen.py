"""The base of all settings."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of all settings: immutable, unknown keys refused, no silent float for an int."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
