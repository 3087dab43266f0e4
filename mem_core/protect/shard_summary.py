"""What is told of a shard that was protected."""

from mem_core.config import Frozen


class ShardSummary(Frozen):
    """What became of one shard; `repeated` if its receipt was there before."""

    shard: str
    counts: dict[str, int]
    max_abs_difference: int
    repeated: bool = False
