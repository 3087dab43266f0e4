"""A surrogate that was trained before: a victim of the very clean corpus that is fitted on (`surrogate.checkpoint`)."""

from collections.abc import Mapping

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder
from mem_core.config import ProtectConfig
from mem_core.data.corpus import tars_fingerprint
from mem_core.victim.record import VictimRecord, require_victim


def require_given(folder: Folder, config: ProtectConfig, inputs: Mapping[str, str]) -> VictimRecord:
    """The record of the victim in `folder`, if it can serve. inputs: shard -> sha256 of its clean tar, for all shards.

    Raises `SourceError` where no finished victim is, `MismatchError` for one of another architecture, or one that did
    not learn this very corpus, whole and as it is.
    """
    record = require_victim(folder)
    wanted, trained = config.surrogate.architecture, record.config
    if record.architecture != wanted:
        raise _refusal(folder, f"of protect.surrogate.architecture {wanted}", f"it is a {record.architecture}")
    clean = "trained on the clean corpus that is protected"
    if not record.steps:
        raise _refusal(folder, clean, "it was never trained")
    if not record.corpus_fingerprint:
        why = f"its record does not say what was in {record.corpus} (it is of version {record.code_version})"
        raise _refusal(folder, clean, f"that cannot be known, as {why}: train it anew")
    if record.corpus_fingerprint != tars_fingerprint(inputs):
        why = f"it was trained on {record.corpus}, whose shards are others: other data, or a protected corpus"
        raise _refusal(folder, clean, why)
    if trained.countermeasures or trained.samples is not None or trained.finetune is not None:
        changed = [name for name in ("countermeasures", "samples", "finetune") if getattr(trained, name)]
        raise _refusal(folder, f"{clean}, whole and as it is", f"its settings say {', '.join(changed)}")
    return record


def _refusal(folder: Folder, wanted: str, found: str) -> MismatchError:
    return MismatchError(f"expected a surrogate in {folder.uri} {wanted}, but {found}")
