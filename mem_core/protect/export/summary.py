"""What came of an export: how many pictures are there, and which are not, with the reason."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

from mem_core.common.reasons import Code
from mem_core.common.storage.folder import Folder
from mem_core.config.base import Frozen
from mem_core.data.corpus import SHARDING_NAME, list_shards
from mem_core.data.finished_shard import require_originals
from mem_core.data.sharding.left_out import read_left_out
from mem_core.data.table import SampleRow, read_rows
from mem_core.protect.failures import read_failures


class Missing(Frozen):
    """A picture, or a whole shard, that is not in an exported folder. at: the step that it got no further than."""

    name: str
    at: Literal["shard", "protect", "export"]
    code: Code | Literal[""]
    reason: str


class ExportSummary(Frozen):
    """An exported folder. pictures: that are there, `before` of them from an earlier run; captions: of all of them;
    extension: of the pictures, without its dot; below: the folder that absolute names are relative to, "" where there
    are none or they share none; unprotected: names of those that were passed through as they were;
    other_splits: addresses of clean shards beside those that were protected, of which nothing is here."""

    uri: str
    pictures: int
    before: int
    captions: int
    extension: str
    below: str = ""
    missing: tuple[Missing, ...]
    unprotected: tuple[str, ...] = ()
    other_splits: tuple[str, ...] = ()

    @property
    def refused(self) -> int:
        """Pictures that are published and could not be written into the folder."""
        return sum(one.at == "export" for one in self.missing)


def other_splits(clean: Folder, around: Folder) -> tuple[str, ...]:
    """The addresses of the other splits that were sharded with a clean one. around: the folder above it."""
    if not around.exists(SHARDING_NAME):
        return ()
    names = (name.split("/") for name in around.names() if name.endswith(".tar"))
    places = dict.fromkeys(f"{around.uri}/{parts[0]}" for parts in names if len(parts) == 2)
    return tuple(place for place in places if place != clean.uri)


def failed_row(row: SampleRow, at: Literal["shard", "protect"]) -> Missing:
    """A row of a table that says why a sample is not published."""
    return Missing(name=row.called, at=at, code=row.code, reason=row.reason)


def failed_shards(protected: Folder) -> Iterator[Missing]:
    """Shards that failed on every try: nothing of them is published."""
    for shard, why in read_failures(protected).shards.items():
        yield Missing(name=f"all of shard {shard}", at="protect", code="", reason=why)


def never_protected(protected: Folder, clean: Folder, around: Folder) -> Iterator[Missing]:
    """What the source held and no clean sample has, and what failed when it was sharded. around: the folder above.

    Raises `MismatchError` for another clean corpus than the protected one was made from.
    """
    require_originals(protected, clean)
    for shard in list_shards(clean):
        try:
            rows = read_rows(clean, shard)
        except FileNotFoundError:  # tars of another tool
            continue
        yield from (failed_row(row, "shard") for row in rows if row.status == "failed")
    left_out = chain(read_left_out(clean), read_left_out(around))
    for one in left_out:
        if one.what != "caption":
            yield Missing(name=one.name, at="shard", code=one.code, reason=one.reason)
