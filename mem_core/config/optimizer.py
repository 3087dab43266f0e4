"""AdamW as a model is trained with it, surrogate or victim, besides its rate and weight decay."""

from typing import Annotated, Literal

from pydantic import Field

from mem_core.config.base import Frozen

_Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Frozen):
    """The moments of AdamW, and what its weight decay is for. The defaults are open_clip's."""

    betas: tuple[_Beta, _Beta] = Field(
        (0.9, 0.98), description="AdamW's decay of its two moments (paper: 0.9 and 0.999)"
    )
    eps: float = Field(1e-6, gt=0, le=1, description="added to AdamW's denominator (paper: 1e-8)")
    decay: Literal["matrices", "names"] = Field(
        "matrices",
        description="matrices: no norm, bias or scale decays; names: all without bn, ln, bias or logit_scale in their "
        "name, which lets a ResNet's few norms called `downsample` decay (paper)",
    )
