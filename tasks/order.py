"""Whether two addresses were typed the wrong way round: told before anything is loaded or written."""

from itertools import islice

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.data.receipt import read_receipt
from mem_core.victim.record import read_victim
from tasks.storage import open_folder

_LOOKED_AT = 100  # names: what stands beside the tars of a corpus begins with the number of the first shard


def require_clean_first(clean: str, protected: str) -> None:
    """Raises `SourceError` if the first is a protected corpus and the second a clean one."""
    if _kind(open_folder(clean)) == "protected" and _kind(open_folder(protected)) == "clean":
        raise SourceError(
            f"expected the clean corpus before the protected one, but {clean} is protected and {protected} is clean: "
            "they are the wrong way round"
        )


def require_victim_first(victim: str, test: str) -> None:
    """Raises `SourceError` if the second is a victim and the first is none."""
    if read_victim(open_folder(victim)) is None and read_victim(open_folder(test)) is not None:
        raise SourceError(
            f"expected the victim before its test shards, but {test} is a victim and {victim} is none: they are the "
            "wrong way round"
        )


def _kind(folder: Folder) -> str:
    """`clean` or `protected`, as the receipt of the first shard says; "" where there is none, or it cannot be read."""
    names = islice(folder.names(), _LOOKED_AT)
    shard = next((name.removesuffix(".tar") for name in names if name.endswith(".tar") and "/" not in name), "")
    try:
        receipt = read_receipt(folder, shard) if shard else None
    except (MismatchError, ValueError):
        return ""
    return "" if receipt is None else "clean" if receipt.is_clean else "protected"
