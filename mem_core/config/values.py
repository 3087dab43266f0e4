"""What single settings may hold: budgets in pixel levels, devices, crops, placements of trigger words."""

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from mem_core.config.base import Frozen, unit

PRETRAINED = "weights to start from: a tag of open_clip, or a local checkpoint file; empty: random weights"
Strategy = Literal["rounds", "replay", "independent"]
Views = Literal["centre", "random-crop"]
Placement = Literal["front", "end", "inside", "replace"]


def _parse_fraction(value: object) -> object:
    """Accepts "8/255" where a number is expected."""
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"expected a number or a fraction like 8/255, got {value!r}") from error


def levels(value: float) -> int:
    """Pixel units (1.0 is white) to whole 8-bit levels."""
    return round(value * 255)


def _whole_levels(value: float) -> float:
    if not 1 <= levels(value) <= 64 or abs(value * 255 - levels(value)) > 1e-6:
        raise ValueError(f"expected a whole number of 1/255 levels between 1/255 and 64/255, got {value:g}")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError(f"expected a word, got {value!r}")
    return value


Device = Annotated[str, Field(pattern=r"^(cpu|mps|cuda(:\d{1,3})?)$")]
Word = Annotated[str, AfterValidator(_not_blank)]
PixelLevels = Annotated[
    float,
    BeforeValidator(_parse_fraction),
    AfterValidator(_whole_levels),
    Field(json_schema_extra={**unit("fractions of white"), "range": "1/255 to 64/255, in whole steps of 1/255"}),
]
Scale = tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]


class ViewConfig(Frozen):
    """What a model sees of an image: its centred square, or open_clip's random crop of a share of its area."""

    kind: Views = "random-crop"
    crop_scale: Scale = (0.9, 1.0)


CENTRE = ViewConfig(kind="centre")
