"""What an adaptive trainer does to undo protection, one idea a file, each a frozen setting with a `kind`."""

from typing import Annotated

from pydantic import Field

from mem_core.countermeasures.base import Clean, Countermeasure, Draw, Pair, drawing
from mem_core.countermeasures.blur import Bilateral, GaussianBlur, MedianBlur
from mem_core.countermeasures.clean_pairs import CleanPart, MixClean, Recaption
from mem_core.countermeasures.colour import BitDepth, Grey
from mem_core.countermeasures.flip import Flip
from mem_core.countermeasures.img2dataset import Img2dataset
from mem_core.countermeasures.purify import Autoencoder
from mem_core.countermeasures.recompress import Jpeg, WebP
from mem_core.countermeasures.resize import DownUp
from mem_core.countermeasures.words import DropWords, KeepCommon, ShuffleWords, StripFirst

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
    | KeepCommon
    | DropWords
    | ShuffleWords
    | Recaption
    | MixClean
    | CleanPart,
    Field(discriminator="kind"),
]
"""Any of them, told apart by `kind`: as {kind: jpeg, quality: 50} in a preset."""

__all__ = [
    "AnyCountermeasure",
    "Autoencoder",
    "Bilateral",
    "BitDepth",
    "Clean",
    "CleanPart",
    "Countermeasure",
    "DownUp",
    "Draw",
    "DropWords",
    "Flip",
    "GaussianBlur",
    "Grey",
    "Img2dataset",
    "Jpeg",
    "KeepCommon",
    "MedianBlur",
    "MixClean",
    "Pair",
    "Recaption",
    "ShuffleWords",
    "StripFirst",
    "WebP",
    "drawing",
]
