"""What a victim leaves in its folder: weights of the last and of the best epoch, and how they were trained."""

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from mem_core import __version__
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.config.stored import read_record, write_record
from mem_core.models import OpenClipEncoder, load_model, save_model
from mem_core.victim.config import VictimConfig
from mem_core.victim.validation import ValidationSet

CHECKPOINT = "checkpoint.pt"
"""In the folder of a victim whose training is not over: what the next epoch goes on from."""

_WEIGHTS, _BEST, _RECORD = "victim.safetensors", "best.safetensors", "victim.json"
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
    return read_record(folder, _RECORD, VictimRecord, "a victim's record")


def require_victim(folder: Folder) -> VictimRecord:
    """The record of a finished victim. Raises `SourceError` where none is."""
    record = read_victim(folder)
    if record is None:
        found = "its training is not finished" if folder.exists(CHECKPOINT) else f"{_RECORD} is not there"
        raise SourceError(f"expected a trained victim in {folder.uri}, but {found}", hint="train a victim")
    return record


def load_victim(folder: Folder, kept: Kept = "last") -> tuple[OpenClipEncoder, VictimRecord]:
    """A finished victim, frozen. kept: `best` is the last epoch where none was chosen, or the last one is the best.

    Raises `SourceError` where there is no victim, `MismatchError` if its weights are lost or damaged.
    """
    record = require_victim(folder)
    name = _BEST if kept == "best" and not _ends_at_best(record.history) else _WEIGHTS
    if not folder.exists(name):
        raise MismatchError(f"expected the weights of a victim in {folder.uri}/{name}, but they are not there")
    with folder.open(name) as stream:
        model, _ = load_model(record.architecture, stream, f"{folder.uri}/{name}")
    return model.freeze(), record


def _ends_at_best(history: Sequence[Epoch]) -> bool:
    """Whether the weights of the last epoch are those a trainer keeps."""
    return best_epoch(history) in (None, len(history))


def write_victim(
    folder: Folder, model: OpenClipEncoder, record: VictimRecord, best: Mapping[str, Tensor] | None = None
) -> None:
    """Weights first: a record says that they are there. Weights of the last epoch are not kept twice.

    best: those of the best epoch, by name; where they are not the last ones, the model is left with them.
    """
    write_bytes(folder, _WEIGHTS, save_model(model))
    if _ends_at_best(record.history) or best is None:
        folder.delete(_BEST)
    else:
        model.clip.load_state_dict(best)
        write_bytes(folder, _BEST, save_model(model))
    write_record(folder, _RECORD, record)


def delete_record(folder: Folder) -> None:
    """The record of another training must not vouch for the weights of the next one."""
    folder.delete(_RECORD)
