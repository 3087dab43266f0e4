"""What a victim is and how it was trained, as its folder tells; the weights beside it are for `victim/weights.py`."""

from collections.abc import Sequence
from typing import Literal

from mem_core import __version__
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen
from mem_core.config.stored import read_record
from mem_core.victim.config import VictimConfig
from mem_core.victim.result import EVALUATION_NAME
from mem_core.victim.validation_set import ValidationSet

CHECKPOINT = "checkpoint.pt"
"""In the folder of a victim whose training is not over: what the next epoch goes on from."""

VICTIM_NAME = "victim.json"
Kept = Literal["last", "best"]
"""Which weights: of the last epoch, or those that a trainer keeps, the best on clean validation pairs."""


class Epoch(Frozen):
    """One line of a training history; median ranks are of bare queries, None where not measured.

    The first two are on test pairs, for curves; those of validation choose the best epoch.
    """

    epoch: int
    loss: float
    seconds: float
    image_to_text_median_rank: float | None = None
    text_to_image_median_rank: float | None = None
    validation_image_to_text_median_rank: float | None = None
    validation_text_to_image_median_rank: float | None = None

    @property
    def validated(self) -> float | None:
        """The sum of both median ranks on validation pairs, the lower the better; None where not measured."""
        ranks = self.validation_image_to_text_median_rank, self.validation_text_to_image_median_rank
        return None if ranks[0] is None or ranks[1] is None else ranks[0] + ranks[1]


def best_epoch(history: Sequence[Epoch]) -> int | None:
    """The epoch a trainer keeps, counted from 1: the lowest ranks on validation pairs, of equal ones the earliest.

    None where no epoch was validated.
    """
    validated = [(line.validated, line.epoch) for line in history if line.validated is not None]
    return min(validated)[1] if validated else None


class VictimRecord(Frozen):
    """What a finished victim is and how it was trained. validation: what its best epoch was chosen on, if anything.
    corpus_fingerprint: of the tars it was trained on, "" where that is not known, as in records of 0.3.0."""

    format: int = 1
    architecture: str
    config: VictimConfig
    seed: int
    corpus: str
    samples: int
    steps: int
    history: tuple[Epoch, ...]
    validation: ValidationSet | None = None
    fingerprint: str
    corpus_fingerprint: str = ""
    code_version: str = __version__

    @property
    def best_epoch(self) -> int | None:
        """The epoch that a trainer keeps; None where there were no validation pairs."""
        return best_epoch(self.history)


def read_victim(folder: Folder) -> VictimRecord | None:
    """The record of a finished victim, or None. Raises `MismatchError` if it cannot be read."""
    return read_record(folder, VICTIM_NAME, VictimRecord, "a victim's record")


def require_victim(folder: Folder) -> VictimRecord:
    """The record of a finished victim. Raises `SourceError` where none is."""
    record = read_victim(folder)
    if record is None:
        found = "its training is not finished" if folder.exists(CHECKPOINT) else f"{VICTIM_NAME} is not there"
        raise SourceError(f"expected a trained victim in {folder.uri}, but {found}", hint="train a victim")
    return record


def delete_record(folder: Folder) -> None:
    """The record of another training must not vouch for the weights of the next one, nor its result for theirs."""
    folder.delete(EVALUATION_NAME)
    folder.delete(VICTIM_NAME)
