"""What an adaptive trainer does to undo protection, one idea a file, each a frozen setting with a `kind`."""

from typing import Annotated

from pydantic import Field

from mem_core.victim.countermeasures.clean_pairs import CleanPart, MixClean, Recaption
from mem_core.victim.countermeasures.images import (
    Autoencoder,
    Bilateral,
    BitDepth,
    DownUp,
    Flip,
    GaussianBlur,
    Grey,
    Img2dataset,
    Jpeg,
    MedianBlur,
    WebP,
)
from mem_core.victim.countermeasures.words import DropWords, KeepCommon, ShuffleWords, StripFirst, StripLast

AnyCountermeasure = Annotated[
    Img2dataset
    | Jpeg
    | WebP
    | DownUp
    | GaussianBlur
    | MedianBlur
    | Bilateral
    | Grey
    | BitDepth
    | Flip
    | Autoencoder
    | StripFirst
    | StripLast
    | KeepCommon
    | DropWords
    | ShuffleWords
    | Recaption
    | MixClean
    | CleanPart,
    Field(discriminator="kind"),
]
"""Any of them, told apart by `kind`: as {kind: jpeg, quality: 50} in a preset."""
