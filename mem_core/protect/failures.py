"""Which shards failed on every attempt, and why: recorded in the destination, for `status` and `retry`.

A shard with a receipt is finished, whatever was noted about it before: notes are never the truth about success.
"""

from pydantic import Field, ValidationError

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import Frozen
from mem_core.config.stored import write_record
from mem_core.data.receipt import has_receipt

_NAME = "_state/failures.json"


class Failures(Frozen):
    """shards: shard -> the sentence it failed with. clean, protector: what they were to be made from, by address."""

    clean: str = ""
    protector: str = ""
    shards: dict[str, str] = Field(default_factory=dict)


def read_failures(dest: Folder) -> Failures:
    """The failed shards that are still without a receipt. Raises `MismatchError` if the note cannot be read."""
    try:
        noted = Failures.model_validate_json(read_bytes(dest, _NAME))
    except FileNotFoundError:
        return Failures()
    except ValidationError as error:
        raise MismatchError(
            f"expected notes about failed shards in {dest.uri}/{_NAME}, but they cannot be read; delete them, "
            "nothing is lost"
        ) from error
    left = {shard: why for shard, why in sorted(noted.shards.items()) if not has_receipt(dest, shard)}
    return noted.model_copy(update={"shards": left})


def write_failures(dest: Folder, failures: Failures) -> None:
    """Replaces the notes; without failed shards there is none."""
    if failures.shards:
        write_record(dest, _NAME, failures, indent=1)
    else:
        dest.delete(_NAME)
