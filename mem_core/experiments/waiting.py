"""Since when the shards of a destination wait to be made."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import product

from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen
from mem_core.data.manifest import RECEIPT_READERS
from mem_core.data.receipt import receipt_name


class Waiting(Frozen):
    """A shard that is still to come. since: when its clean tar was written; without one, what lies in its place."""

    shard: str
    since: datetime


def longest_waiting(shards: Iterable[str], clean: Folder | None, dest: Folder) -> Waiting | None:
    """The one of these shards that waits the longest, None without any."""
    folders = [dest] if clean is None else [clean, dest]

    def waiting(shard: str) -> Waiting | None:
        for folder, name in product(folders, (f"{shard}.tar", receipt_name(shard))):
            with suppress(FileNotFoundError):
                return Waiting(shard=shard, since=folder.modified(name))
        return None  # taken away since it was listed

    with ThreadPoolExecutor(RECEIPT_READERS) as pool:
        found = [one for one in pool.map(waiting, sorted(shards)) if one is not None]
    return min(found, key=lambda one: (one.since, one.shard), default=None)
