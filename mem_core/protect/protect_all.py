"""A whole corpus protected in one call: for a machine without a scheduler."""

from statistics import fmean

from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.protect.protection import Protection, ShardSummary


def protect_all(
    protection: Protection, *, progress: Progress = silent, checkpoint: Checkpoint = carry_on
) -> list[ShardSummary]:
    """Fits where a fit is needed, then publishes every shard and the manifest. Does only what is missing."""
    protection.begin()
    if not protection.fitted:
        protection.finish_fit(_fit(protection, progress, checkpoint))
    summaries = []
    for shard in protection.shards:
        summaries.append(protection.publish(shard, progress))
        checkpoint()
    protection.finish()
    return summaries


def _fit(protection: Protection, progress: Progress, checkpoint: Checkpoint) -> list[float]:
    """All rounds; returns the mean noise loss of each."""
    losses: list[float] = []
    for number in range(protection.config.rounds):
        protection.fit_round(number, progress)
        checkpoint()
        each = []
        for shard in protection.shards:
            each.append(protection.advance(shard, number, progress))
            checkpoint()
        losses.append(fmean(each))
        if protection.enough(losses):
            break
    return losses
