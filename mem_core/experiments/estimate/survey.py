"""What a source holds, and samples drawn evenly from it, in one pass that decodes nothing.

Of a corpus that memshield has sharded the manifest tells how much there is, and only a few of its tars are opened.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

import torch

from mem_core.common.errors import SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import generator
from mem_core.common.storage.folder import Folder
from mem_core.config import CorpusConfig
from mem_core.config.base import Frozen
from mem_core.data.corpus import require_clean
from mem_core.data.manifest import MANIFEST_NAME, build_manifest, manifest_or_none
from mem_core.data.readers import SourceReader, open_source
from mem_core.data.receipt import receipt_name
from mem_core.data.sharding.candidate import Candidate
from mem_core.data.sharding.sharder import SHARDING_NAME, limit_of, taken

_TARS = 8  # of a sharded corpus that samples are drawn from


class Survey(Frozen):
    """How many samples each split has, unusable ones among them, and whether it is cut into shards already."""

    uri: str
    samples: dict[str, int]
    shards: dict[str, int]
    sharded: bool


def survey_source(
    reader: SourceReader, config: CorpusConfig, seed: int, count: int, progress: Progress = silent
) -> tuple[Survey, list[Candidate]]:
    """The samples of a source as `shard` would take them, and `count` of those that would go to train.

    Raises `SourceError` if none would.
    """
    found: Counter[str] = Counter()
    drawn: list[Candidate] = []
    draw = generator(seed, "estimate")

    def is_full(split: str) -> bool:
        limit = limit_of(config, split)
        return limit is not None and found[split] >= limit

    for sample in taken(reader, config, seed, is_full):
        found[sample.split] += 1
        if sample.split == "train":
            _keep(drawn, sample, found["train"], count, draw)
        if sum(found.values()) % 1000 == 0:
            progress(sum(found.values()), 0, "samples counted")
    if not drawn:
        raise _no_train(reader.uri)
    shards = {split: -(-number // config.samples_per_shard) for split, number in found.items()}
    return Survey(uri=reader.uri, samples=dict(found), shards=shards, sharded=False), drawn


def _no_train(uri: str) -> SourceError:
    return SourceError(f"expected samples for a train split in {uri}, but it has none")


def _keep(drawn: list[Candidate], sample: Candidate, seen: int, count: int, draw: torch.Generator) -> None:
    """Reservoir sampling: any of the samples seen is among the drawn ones with equal chance."""
    if len(drawn) < count:
        drawn.append(sample)
        return
    place = int(torch.randint(seen, (1,), generator=draw))
    if place < count:
        drawn[place] = sample


def sharded_splits(folder: Folder) -> dict[str, Folder]:
    """The splits of a corpus that `shard` made; a folder with the shards of one is train. Empty for other sources."""
    top = folder.top()
    if any(name.endswith(receipt_name("")) for name in top):
        return {"train": folder}
    if SHARDING_NAME not in top:
        return {}
    found = {name.partition("/")[0] for name in folder.names() if name.endswith(f"/{MANIFEST_NAME}")}
    return {split: folder.below(split) for split in sorted(found)}


def survey_shards(splits: Mapping[str, Folder], seed: int, count: int) -> tuple[Survey, list[Candidate]]:
    """A sharded corpus, from its manifests, and samples from the beginnings of a few shards of train.

    Raises `SourceError` if there are none, or if it is protected already.
    """
    if "train" not in splits:
        raise _no_train(next(iter(splits.values())).uri.rpartition("/")[0])
    folder = splits["train"]
    entries = {
        split: build_manifest(place, kind="clean", known=manifest_or_none(place)).shards
        for split, place in splits.items()
    }
    if not entries["train"]:
        raise _no_train(folder.uri)
    require_clean(folder, entries["train"][0].name)
    order = torch.randperm(len(entries["train"]), generator=generator(seed, "estimate"))[:_TARS].tolist()
    names = [entries["train"][place].name for place in order]
    drawn = [sample for name in names for sample in islice(_of_tar(folder, name, seed), -(-count // len(names)))]
    found = Survey(
        uri=folder.uri,
        samples={split: sum(sum(entry.counts.values()) for entry in shards) for split, shards in entries.items()},
        shards={split: len(shards) for split, shards in entries.items()},
        sharded=True,
    )
    return found, drawn[:count]


def _of_tar(folder: Folder, shard: str, seed: int) -> Iterator[Candidate]:
    reader = open_source(folder, f"{shard}.tar", format="webdataset")
    return taken(reader, CorpusConfig(), seed, lambda split: False)
