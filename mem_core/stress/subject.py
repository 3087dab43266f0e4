"""The corpus that a stress test is about, by its receipts."""

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config import Frozen, Placement
from mem_core.data.corpus import list_shards
from mem_core.data.receipt import read_receipt


class Subject(Frozen):
    """What was done to a corpus, and how many samples it publishes."""

    method: str
    trigger_length: int
    placement: Placement
    epsilon_levels: int
    samples: int


def read_subject(protected: Folder) -> Subject:
    """Raises `SourceError` for a corpus that was not protected by this tool, or in more than one way."""
    receipts = []
    for shard in list_shards(protected):
        receipt = read_receipt(protected, shard)
        if receipt is None or receipt.method == "clean":
            what = "has no receipt" if receipt is None else "is a clean one"
            raise SourceError(
                f"expected a corpus that memshield protected in {protected.uri}, but its shard {shard} {what}"
            )
        receipts.append(receipt)
    ways = {(r.method, r.trigger_length, r.placement, r.epsilon_levels) for r in receipts}
    if len(ways) > 1:
        raise SourceError(
            f"expected a corpus protected in one way in {protected.uri}, but its shards were protected with "
            f"{', '.join(sorted({method for method, *_ in ways}))} at different settings"
        )
    ((method, length, placement, epsilon),) = ways
    samples = sum(r.counts.get("protected", 0) + r.counts.get("passthrough", 0) for r in receipts)
    return Subject(method=method, trigger_length=length, placement=placement, epsilon_levels=epsilon, samples=samples)
