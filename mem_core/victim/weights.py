"""The weights in a victim's folder: of its last and of its best epoch."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config.stored import write_record
from mem_core.models import OpenClipEncoder, load_model, save_model
from mem_core.victim.record import VICTIM_NAME, Epoch, Kept, VictimRecord, best_epoch, require_victim

_WEIGHTS, _BEST = "victim.safetensors", "best.safetensors"


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
    write_record(folder, VICTIM_NAME, record)
