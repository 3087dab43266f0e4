"""From any source to a clean corpus of shards."""

from typing import Annotated

from flows.parameters import Dest, Format, Preset, Seed, Settings, Source, chosen, said, whole
from flows.recorded import recorded
from mem_core.common.formatting import counted
from mem_core.config import CorpusConfig
from mem_core.data.sharding.sharder import ShardingSummary
from tasks.sharding import shard_corpus


def _told(found: dict[str, ShardingSummary]) -> str:
    return ", ".join(f"{split}: {counted(summary.samples, 'sample')}" for split, summary in found.items())


@recorded("shard", run_name="shard {source} into {dest}", told=_told)
def shard(
    source: Source,
    dest: Dest,
    format: Format = "auto",
    preset: Preset = "cpu",
    settings: Settings = (),
    seed: Seed = None,
    config: Annotated[CorpusConfig | None, said(whole("corpus"))] = None,
) -> dict[str, ShardingSummary]:
    """Writes DEST/train, DEST/test, ...; what an earlier run finished is compared with the source and kept."""
    run = chosen(preset, settings, seed, corpus=config)
    return shard_corpus(source, dest, run.corpus, format, run.seed)
