"""Which split an image of a source goes to: as the source says, else drawn by seed and name.

Two draws, each by a hash of the seed and the image's name, so that no order and no other setting changes them:

- `holdout` puts a share into `test` where the source names no splits;
- `validation` takes images out of `train` where there are others for test but none in `val`: what a trainer would
  choose an epoch by must be in no training shard. At most a tenth of train is taken. Where there is no test nothing is
  measured: all of it is protected, and nothing is held out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

from mem_core.common.errors import MismatchError
from mem_core.common.formatting import counted
from mem_core.common.rng import derived_seed
from mem_core.common.storage.folder import Folder
from mem_core.config import CorpusConfig
from mem_core.data.manifest import MANIFEST_NAME
from mem_core.data.readers import RawSample, SourceReader
from mem_core.data.sharding.split_writer import ShardingSummary

VALIDATION = "val"
_MOST = 10  # one in so many images of train


@dataclass(frozen=True)
class Splits:
    """validation: images of train whose draw is at most this are held out."""

    seed: int
    holdout: float
    validation: int = -1

    @classmethod
    def of(cls, reader: SourceReader, config: CorpusConfig, seed: int) -> "Splits":
        """Goes through the source once before, without reading an image, where validation images are to be drawn."""
        plain = cls(seed, config.holdout)
        if not config.validation or not (config.holdout or _names_splits(reader)):
            return plain
        lowest: list[int] = []  # a heap of the lowest draws, negated: the highest of them on top
        train, test = 0, False
        for raw in (raw for raw in reader if not raw.problem):
            split = plain.split(raw)
            if split == VALIDATION:
                return plain
            test = test or split == "test"
            if split == "train":
                train += 1
                heappush(lowest, -plain.draw(raw))
                if len(lowest) > config.validation:
                    heappop(lowest)
        drawn = sorted(-draw for draw in lowest)[: train // _MOST]
        is_enough = test and len(drawn) > 1  # one image ranks first among itself
        return cls(seed, config.holdout, drawn[-1]) if is_enough else plain

    def split(self, raw: RawSample) -> str:
        """The split of one image."""
        named = raw.split or self._first(raw)
        draws = named == "train" and self.validation >= 0
        return VALIDATION if draws and self.draw(raw) <= self.validation else named

    def draw(self, raw: RawSample) -> int:
        """What decides whether an image of train is held out for validation."""
        return derived_seed(self.seed, "validation", raw.name)

    def _first(self, raw: RawSample) -> str:
        is_test = self.holdout and derived_seed(self.seed, "holdout", raw.name) < self.holdout * 2**63
        return "test" if is_test else "train"


def require_held_out(dest: Folder, splits: Splits) -> None:
    """Raises `MismatchError` for a finished corpus with test images whose train has what is held out of it today."""
    names = list(dest.names()) if splits.validation >= 0 else []
    if f"test/{MANIFEST_NAME}" in names and not any(name.startswith(f"{VALIDATION}/") for name in names):
        raise MismatchError(
            f"expected a split `{VALIDATION}` in {dest.uri}, as images for validation are held out of train in this "
            "source, but they are in its train: a version up to 0.3.0 sharded it, or the source has more images now; "
            "use another destination, or delete this one to shard again"
        )


def empty_lines(splits: Mapping[str, ShardingSummary], config: CorpusConfig) -> Iterator[str]:
    """A sentence for each split that was asked for and got no image: what reads it would find no shards."""
    if config.holdout and "test" not in splits:
        images = counted(sum(summary.images for summary in splits.values()), "image")
        yield (
            f"nothing is in test: corpus.holdout={config.holdout:g} drew none of {images}; shard more images or set a "
            "larger share, with another destination, or leave the setting out"
        )
    if config.validation and "test" in splits and "train" in splits and VALIDATION not in splits:
        smaller = " or set a smaller corpus.holdout" if config.holdout else ""
        yield (
            f"nothing is in {VALIDATION}: it gets at most a tenth of the images of train and at least 2, and train has "
            f"too few for that; shard more images{smaller}, with another destination, or train without validation pairs"
        )


def _names_splits(reader: SourceReader) -> bool:
    """By the first usable image: a source without splits may have no end to look for one at."""
    return any(raw.split for raw in islice((raw for raw in reader if not raw.problem), 1))
