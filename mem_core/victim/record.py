"""What a finished victim leaves in its folder: weights, and how they were trained."""

from mem_core import __version__
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.config.stored import read_record, write_record
from mem_core.models import OpenClipEncoder, load_model, save_model
from mem_core.victim.config import VictimConfig

_WEIGHTS, _RECORD = "victim.safetensors", "victim.json"


class Epoch(Frozen):
    """One line of a training history; median ranks are of bare queries, None where not measured."""

    epoch: int
    loss: float
    seconds: float
    image_to_text_median_rank: float | None = None
    text_to_image_median_rank: float | None = None


class VictimRecord(Frozen):
    """What a finished victim is and how it was trained."""

    format: int = 1
    architecture: str
    config: VictimConfig
    seed: int
    corpus: str
    samples: int
    steps: int
    history: tuple[Epoch, ...]
    fingerprint: str
    code_version: str = __version__


def read_victim(folder: Folder) -> VictimRecord | None:
    """The record of a finished victim, or None. Raises `MismatchError` if it cannot be read."""
    return read_record(folder, _RECORD, VictimRecord, "a victim's record")


def load_victim(folder: Folder) -> tuple[OpenClipEncoder, VictimRecord]:
    """A finished victim, frozen. Raises `SourceError` where none is."""
    record = read_victim(folder)
    if record is None:
        raise SourceError(
            f"expected a trained victim in {folder.uri}, but {_RECORD} is not there", hint="train a victim"
        )
    if not folder.exists(_WEIGHTS):
        raise MismatchError(f"expected the weights of a victim in {folder.uri}/{_WEIGHTS}, but they are not there")
    with folder.open(_WEIGHTS) as stream:
        model, _ = load_model(record.architecture, stream, f"{folder.uri}/{_WEIGHTS}")
    return model.freeze(), record


def write_victim(folder: Folder, model: OpenClipEncoder, record: VictimRecord) -> None:
    """Weights first: a record says that they are there."""
    write_bytes(folder, _WEIGHTS, save_model(model))
    write_record(folder, _RECORD, record)


def delete_record(folder: Folder) -> None:
    """The record of another training must not vouch for the weights of the next one."""
    folder.delete(_RECORD)
