"""Which samples of a corpus failed, by the names that they have in its source: for whoever looks for the files."""

from typing import Literal

from mem_core.common.reasons import Code
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen
from mem_core.data.manifest import MANIFEST_NAME, build_manifest, manifest_or_none
from mem_core.data.table import read_rows


class FailedSample(Frozen):
    """A sample that is not in its tar. name: in the source, or its key where that is not known."""

    name: str
    code: Code | Literal[""]
    reason: str


class FailedSamples(Frozen):
    """How many samples of a corpus failed, and the first of them."""

    count: int
    first: tuple[FailedSample, ...]


def failed_samples(corpus: Folder, most: int) -> FailedSamples:
    """The failed samples of the finished shards; no more tables are read than it takes to name `most`.

    Raises `MismatchError` for a damaged receipt or table.
    """
    known = manifest_or_none(corpus) if corpus.exists(MANIFEST_NAME) else None
    shards = (known or build_manifest(corpus, kind="clean")).shards
    first: list[FailedSample] = []
    for shard in shards:
        if not shard.counts.get("failed") or len(first) >= most:
            continue
        first += [
            FailedSample(name=row.called, code=row.code, reason=row.reason.removeprefix(f"{row.name}: "))
            for row in read_rows(corpus, shard.name)
            if row.status == "failed"
        ]
    return FailedSamples(count=sum(shard.counts.get("failed", 0) for shard in shards), first=tuple(first[:most]))
