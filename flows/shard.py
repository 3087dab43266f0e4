"""From any source to a clean corpus of shards."""

from prefect import flow

from mem_core.config import CorpusConfig
from mem_core.data.sharding.sharder import ShardingSummary
from tasks.sharding import shard_corpus


@flow(name="shard", flow_run_name="shard {source}")
def shard(
    source: str, dest: str, config: CorpusConfig = CorpusConfig(), format: str = "auto", seed: int = 0
) -> dict[str, ShardingSummary]:
    """Writes DEST/train, DEST/test, ...; what an earlier run finished is compared with the source and kept."""
    return shard_corpus(source, dest, config, format, seed)
