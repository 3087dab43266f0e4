"""How long a surrogate is trained in a round: so many steps, or so many passes over the corpus."""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from mem_core.config.base import Frozen, unit


class PassesConfig(Frozen):
    """Surrogate steps that follow the corpus: so many passes over it in a round, but within bounds."""

    passes: float = Field(
        2, gt=0, le=10_000, description="how often each sample is seen in a round", json_schema_extra=unit("passes")
    )
    least: int = Field(
        24,
        ge=1,
        le=1_000_000,
        description="steps a round, however small the corpus is",
        json_schema_extra=unit("steps"),
    )
    most: int = Field(
        94,
        ge=1,
        le=1_000_000,
        description="steps a round, however large the corpus is",
        json_schema_extra=unit("steps"),
    )

    @model_validator(mode="after")
    def _bounds_fit(self) -> "PassesConfig":
        if self.least > self.most:
            raise ValueError(f"expected `least` to be at most `most`, got {self.least} and {self.most}")
        return self

    def steps(self, samples: int, batch_size: int) -> int:
        """For a corpus of so many samples, in batches of at most `batch_size`."""
        return min(self.most, max(self.least, math.ceil(self.passes * samples / batch_size)))

    def for_one_of(self, shards: int) -> "PassesConfig":
        """For one of so many shards, so that all together take about as many steps as one corpus: its passes are over
        its own samples."""
        least, most = (max(1, bound // shards) for bound in (self.least, self.most))
        return self.model_copy(update={"least": least, "most": most})


def _kind(value: object) -> str:
    return "PassesConfig" if isinstance(value, PassesConfig | Mapping) else "int"


StepsARound = Annotated[
    Annotated[int, Field(ge=0, le=1_000_000), Tag("int")] | Annotated[PassesConfig, Tag("PassesConfig")],
    Discriminator(_kind),
]
"""A mistake is judged as what was meant: a number, or passes."""
