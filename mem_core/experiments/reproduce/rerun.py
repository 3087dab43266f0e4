"""An independent rerun of the authors' code, epoch by epoch, where the user has its file: it is not ours to ship."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mem_core.common.errors import SourceError
from mem_core.experiments.reproduce.rows import RERUN_ROWS

FILE = "reproduction/epochs.csv"
"""Below the folder of the datasets."""

IMAGES = {"flickr8k": 1000, "flickr30k": 1000, "coco": 5000, "coco-karpathy": 5000}
"""Test images of the authors' lists, each with five captions."""

_COLUMNS = ("dataset", "method", "run", "epoch", "hit10_i2t", "hit10_t2i", "medr_i2t", "medr_t2i")
_MAX_BYTES = 1 << 24


class RerunEpoch(NamedTuple):
    """Hits in percent, then median ranks, image to text and text to image; epoch 0 is the untrained model."""

    epoch: int
    hits: tuple[float, float]
    ranks: tuple[float, float]


class RerunRun(NamedTuple):
    """One training. row: that of the study which is the same; epochs: as far as it was run, in their order."""

    dataset: str
    row: str
    run: str
    epochs: tuple[RerunEpoch, ...]

    @property
    def best(self) -> RerunEpoch:
        """The epoch with the most hits in both directions together, on its test images: it has no validation pairs."""
        return max(self.epochs, key=lambda one: (sum(one.hits), -one.epoch))


def read_rerun(data: str | Path | None) -> list[RerunRun]:
    """All runs of the file below `data`, none where it is not there.

    Raises `SourceError` with file and line if it is not what it should be.
    """
    path = Path(data).expanduser() / FILE if data is not None else None
    if path is None or not path.exists():
        return []
    found: dict[tuple[str, str, str], dict[int, RerunEpoch]] = {}
    for line, (dataset, method, run, point) in _lines(path):
        points = found.setdefault((dataset, RERUN_ROWS.get(method, method), run), {})
        if point.epoch in points:
            twice = f"epoch {point.epoch} of {dataset} {method} {run}"
            raise _wrong(path, line, f"each epoch of a run once, got {twice} again")
        points[point.epoch] = point
    return [RerunRun(*name, tuple(points[epoch] for epoch in sorted(points))) for name, points in found.items()]


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, str, str, RerunEpoch]]]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SourceError(f"expected the independent rerun in {path} in at most {_MAX_BYTES} bytes, got more")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise _wrong(path, 1, f"the columns {', '.join(_COLUMNS)}, but {', '.join(missing)} is not there")
            for record in reader:
                yield reader.line_num, _parsed(path, reader.line_num, record)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"expected the independent rerun as CSV in {path}, which cannot be read: {error}") from error


def _parsed(path: Path, line: int, record: dict[str, str | None]) -> tuple[str, str, str, RerunEpoch]:
    dataset, method, run = (str(record[column] or "") for column in _COLUMNS[:3])
    try:
        epoch = int(record["epoch"] or "")
        values = [float(record[column] or "") for column in _COLUMNS[4:]]
    except ValueError as error:
        raise _wrong(path, line, f"numbers in {', '.join(_COLUMNS[3:])}: {error}") from error
    hits, ranks = values[:2], values[2:]
    if not (dataset and method and run) or epoch < 0:
        raise _wrong(path, line, f"a dataset, a method, a run and an epoch from 0 on, got {record}")
    if not all(0 <= hit <= 100 for hit in hits) or not all(rank >= 1 and math.isfinite(rank) for rank in ranks):
        raise _wrong(path, line, f"hits from 0 to 100 and median ranks from 1 on, got {values}")
    return dataset, method, run, RerunEpoch(epoch, (hits[0], hits[1]), (ranks[0], ranks[1]))


def _wrong(path: Path, line: int, expected: str) -> SourceError:
    return SourceError(f"{path}, line {line}: expected {expected}")
