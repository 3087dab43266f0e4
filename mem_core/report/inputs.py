"""What a report is made of: plain numbers and pixels, gathered by whoever ran the experiment."""

import math
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SkipValidation, model_validator

from mem_core.config import Frozen, Method
from mem_core.config.methods import METHODS, Kind
from mem_core.report.claims import Trained, Victims
from mem_core.report.intervals import AtEpoch
from mem_core.victim.metrics import RetrievalResult
from mem_core.victim.result import EpochResult

SHOWN_SIDE = 256  # larger images are shown by their centre: shrinking would average the noise away


def _finite_or_none(value: object) -> object:
    """Victims that diverged log NaN and equal images have infinite PSNR: JSON has neither."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pixels(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ValueError(f"expected uint8 pixels [H, W, 3], got {array.dtype} {array.shape}")
    return array


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
CheckedPixels = Annotated[SkipValidation[NDArray[np.uint8]], AfterValidator(_pixels)]


class EpochPoint(BaseModel):
    """One entry of `history` in victim.json; what else stands there is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    epoch: int = Field(ge=0)
    loss: Number = None
    image_to_text_median_rank: Number = None
    text_to_image_median_rank: Number = None
    seconds: Number = None


class ProtectedSummary(Frozen):
    """What protection did to the corpus behind a row, from its tables and receipts."""

    counts: dict[str, int] = Field(default={}, description="samples by status: protected, failed, passthrough, clean")
    epsilon_levels: int = Field(default=0, ge=0, le=255)
    max_abs_difference: int | None = Field(default=None, ge=0, le=255, description="largest found in any sample")
    trigger_length: int = Field(default=0, ge=0)
    triggers: tuple[str, ...] = Field(default=(), description="a few examples")
    psnr: tuple[Number, ...] = Field(default=(), description="of every sample; None: equal to the clean image")
    ssim: tuple[Number, ...] = ()
    seconds: float | None = Field(default=None, ge=0, description="compute spent on protecting")
    fingerprint: str = ""


class ReportRow(Frozen):
    """One training set: the victims trained on it, one entry a seed in each list. bare, prefixed: at the last epoch.

    chance: of the pairs that they were queried on, where these are not the report's.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="unique in the report, as mem-3")
    method: Method
    label: str = Field(default="", description="what readers see; empty: a label for the method")
    seeds: tuple[int, ...] = ()
    bare: tuple[RetrievalResult, ...] = ()
    prefixed: tuple[RetrievalResult, ...] = ()
    best: tuple[EpochResult, ...] = Field((), description="at the best epoch; empty where it is not known of each")
    trained: tuple[Trained, ...] = ()
    chance: RetrievalResult | None = None
    history: tuple[tuple[EpochPoint, ...], ...] = ()
    protected: ProtectedSummary | None = None

    @property
    def kind(self) -> Kind:
        return METHODS[self.method].kind

    @property
    def title(self) -> str:
        return self.label or METHODS[self.method].label

    def victims(self, chance: RetrievalResult) -> Victims:
        """As the rule of claims takes them. chance: that of the report."""
        best = AtEpoch(tuple(one.bare for one in self.best), tuple(one.prefixed for one in self.best))
        return Victims(
            chance=self.chance or chance,
            last=AtEpoch(self.bare, self.prefixed),
            best=best if self.best else None,
            trained=self.trained,
        )


class MontageItem(BaseModel):
    """A sample before and after; pixels uint8 [H, W, 3], both of one size."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    key: str
    name: str = Field(default="", description="what the source calls it; empty: not known")
    clean: CheckedPixels
    protected: CheckedPixels
    caption: str = Field(default="", description="as published")
    marked: tuple[tuple[int, int], ...] = Field(
        default=(), description="where words were put into the whole caption: each from one character to another"
    )
    written: str = Field(default="", description="the caption before words took the place of its own")
    psnr: Number = None
    ssim: Number = None
    full_size: tuple[int, int] | None = Field(default=None, description="width and height, where a part is shown")
    largest_difference: int | None = Field(default=None, description="in the whole picture; None: that of the part")

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The caption in pieces, each with whether it is marked."""
        edges = [0, *(edge for span in self.marked for edge in span), len(self.caption)]
        pieces = [(self.caption[start:end], bool(n % 2)) for n, (start, end) in enumerate(pairwise(edges))]
        return [(text, is_marked) for text, is_marked in pieces if text]

    @property
    def called(self) -> str:
        """What its owner knows it by."""
        return self.name or self.key

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        return self.full_size or (self.clean.shape[1], self.clean.shape[0])

    @property
    def cropped(self) -> bool:
        """Whether the page shows only the middle of it."""
        return max(self.size) > SHOWN_SIDE

    @property
    def largest(self) -> int:
        """The largest difference of any value, in levels."""
        if self.largest_difference is not None:
            return self.largest_difference
        return int(np.abs(self.protected.astype(np.int32) - self.clean).max())

    @model_validator(mode="after")
    def _one_size(self) -> "MontageItem":
        if self.clean.shape != self.protected.shape:
            raise ValueError(f"expected two images of one size, got {self.clean.shape} and {self.protected.shape}")
        return self


class ReportInputs(BaseModel):
    """Everything on the page. All but the rows and chance may be missing; the page then says so."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    title: str = "What a model can still retrieve"
    subtitle: str = Field(default="", description="corpus and preset, in a few words")
    rows: tuple[ReportRow, ...] = Field(min_length=1)
    chance: RetrievalResult
    pictures_of: str = Field(default="", description="name of the row that montage and worst samples come from")
    montage: tuple[MontageItem, ...] = ()
    worst: tuple[MontageItem, ...] = Field(default=(), description="lowest PSNR first")
    config: dict[str, Any] = {}
    versions: dict[str, str] = {}
    environment: dict[str, str] = Field(default={}, description="machine, device, command, date: as the caller wants")
    links: dict[str, str] = Field(default={}, description="text -> address")
    notes: tuple[str, ...] = Field(default=(), description="further limits, a sentence each")

    @model_validator(mode="after")
    def _names_are_unique(self) -> "ReportInputs":
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError(f"expected a name of its own for each row, got {names}")
        if self.pictures_of and self.pictures_of not in names:
            raise ValueError(f"expected pictures of one of {names}, got {self.pictures_of!r}")
        return self
