"""Writing one protected shard with its twins: each sample in the draw of its coin, and the other draw for the owner."""

from collections.abc import Sequence
from dataclasses import dataclass

from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.common.storage.hashing import HashingWriter, sha256_bytes
from mem_core.data.shard import Sample, ShardWriter
from mem_core.data.shard_cache import LoadedShard
from mem_core.data.table import SampleRow, table_name
from mem_core.perturb.state import ShardState
from mem_core.protect.destination import TWINS
from mem_core.protect.publish import Outcome, PublishJob, finish_shard, in_order, outcome, written
from mem_core.protect.twin_table import TwinRow, write_twin_table
from mem_core.protect.twins import Twins


@dataclass(frozen=True)
class _Pair:
    """Both versions of a sample; other: None for one without a twin."""

    draw: int
    published: Outcome
    other: Outcome | None


def publish_shard_with_twins(
    dest: Folder, shard: LoadedShard, states: Sequence[ShardState], job: PublishJob, twins: Twins
) -> tuple[dict[str, int], int]:
    """As `publish_shard`. states: of draws 0 and 1. What stays at home is in place before the receipt is written.

    A sample has a twin only if both versions could be protected and differ: whether it has one then says nothing of its
    coin. They may be the same where there are no trigger words and the image has a pixel or two.
    """
    name, home = shard.name, dest.below(TWINS)
    rows, pairs = list[SampleRow](), list[TwinRow]()

    def pair(key: str) -> _Pair:
        draw = twins.published_draw(name, key)
        published = outcome(shard, key, states[draw], job.of_draw(draw))
        if published.row.status != "protected" or not twins.has_twin(name, key):
            return _Pair(draw, published, None)
        other = outcome(shard, key, states[1 - draw], job.of_draw(1 - draw))
        return _Pair(draw, published, other if other.row.status == "protected" and _differ(published, other) else None)

    tar = f"{name}.tar"
    with home.write(tar) as at_home, dest.write(tar) as stream:
        kept, hashing = HashingWriter(at_home), HashingWriter(stream)
        with ShardWriter(kept) as keeper, ShardWriter(hashing) as writer:
            for made in in_order(shard, pair):
                rows.append(written(writer, made.published))
                if made.other is not None and rows[-1].status == "protected":
                    other = written(keeper, made.other)
                    if other.status == "protected":
                        pairs.append(_row(made, rows[-1], other))
    table = write_twin_table(pairs)
    write_bytes(home, table_name(name), table)
    beside = {tar: kept.hexdigest(), table_name(name): sha256_bytes(table)}
    return finish_shard(dest, shard, hashing, rows, job, states[0].trigger_ids.shape[1], beside)


def _differ(one: Outcome, other: Outcome) -> bool:
    """Whether a model could tell two versions of a sample apart."""
    return (one.row.sha256_out, _captions(one.sample)) != (other.row.sha256_out, _captions(other.sample))


def _row(made: _Pair, published: SampleRow, other: SampleRow) -> TwinRow:
    return TwinRow(
        key=published.key,
        draw=made.draw,
        trigger=published.trigger,
        twin_trigger=other.trigger,
        sha256=published.sha256_out,
        twin_sha256=other.sha256_out,
        captions=_captions(made.published.sample),
        twin_captions=_captions(made.other.sample if made.other is not None else None),
    )


def _captions(sample: Sample | None) -> tuple[str, ...]:
    return () if sample is None else sample.captions
