"""The file that says that an exported folder is ours, and of which corpus: no other file of it is written over."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mem_core.common.errors import DestinationError, MismatchError
from mem_core.common.storage.folder import Folder
from mem_core.common.storage.hashing import sha256_of
from mem_core.config.base import Frozen
from mem_core.config.stored import read_record, write_record
from mem_core.data.already import EXPORT_MARK
from mem_core.data.receipt import Sha256, ShardName
from mem_core.data.side_files import is_side_file

MARK = EXPORT_MARK


class ExportMark(Frozen):
    """shards: of the corpus -> SHA-256 of the tar. tables: name -> SHA-256 of what was written under it, each time.
    below: the mark of the folder that absolute names are relative to, "" where there are none."""

    shards: dict[ShardName, Sha256]
    tables: dict[str, tuple[Sha256, ...]] = Field(default_factory=dict)
    below: Sha256 | Literal[""] = ""


def begin(out: Folder, shards: Mapping[str, str]) -> tuple[ExportMark, bool]:
    """The mark of a folder, written before anything else; and whether it is new.

    Raises `DestinationError` for a folder that holds other files, `MismatchError` for the export of another corpus or
    of shards that were protected again since: its pictures would be written over.
    """
    found = read_record(out, MARK, ExportMark, "the mark of an export")
    if found is None:
        if other := next((name for name in out.names() if not is_side_file(name)), None):
            raise DestinationError(f"expected an empty folder to export to, but {out.uri} holds other files: {other}")
        mark = ExportMark(shards=dict(shards))
    else:
        changed = [shard for shard, sha256 in found.shards.items() if shards.get(shard) != sha256]
        if changed:
            raise MismatchError(
                f"expected the export of this corpus in {out.uri}, but its shard {changed[0]} is another one now: "
                "export to another folder"
            )
        mark = found.model_copy(update={"shards": dict(shards)})
    if mark != found:
        write_record(out, MARK, mark)
    return mark, found is None


def require_unchanged(out: Folder, mark: ExportMark, table: str) -> None:
    """Raises `DestinationError` if a table is there that is not as an export has written it."""
    if out.exists(table) and sha256_of(out, table) not in mark.tables.get(table, ()):
        raise DestinationError(
            f"expected {table} in {out.uri} as it was exported, but it was changed since: give it another name"
        )


def note_table(out: Folder, mark: ExportMark, table: str, sha256: str) -> None:
    """Notes what is about to be written under a table's name."""
    known = mark.tables.get(table, ())
    if sha256 not in known:
        write_record(out, MARK, mark.model_copy(update={"tables": {**mark.tables, table: (*known, sha256)}}))


def note_below(out: Folder, mark: ExportMark, below: str) -> ExportMark:
    """The mark with the folder that absolute names are relative to, before a file is written under such a name."""
    if below == mark.below:
        return mark
    noted = mark.model_copy(update={"below": below})
    write_record(out, MARK, noted)
    return noted
