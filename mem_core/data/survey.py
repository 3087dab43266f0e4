"""What a source holds, and samples drawn evenly from it, in one pass that decodes nothing.

Of a corpus that memshield has sharded the manifest tells how much there is, and only a few of its tars are opened.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from mem_core.common.draws import permutation
from mem_core.common.errors import SourceError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import derived_seed
from mem_core.common.storage.folder import Folder
from mem_core.config import CorpusConfig
from mem_core.data.already import require_clean
from mem_core.data.manifest import MANIFEST_NAME, build_manifest, manifest_or_none
from mem_core.data.readers import SourceReader, open_source
from mem_core.data.receipt import receipt_name
from mem_core.data.sharding.candidate import Candidate, candidates
from mem_core.data.sharding.sharder import SHARDING_NAME, TakenImages

_TARS = 8  # of a sharded corpus that samples are drawn from


@dataclass(frozen=True)
class Survey:
    """How many samples each split has, unusable ones among them, in how many shards. drawn: some of those of train.
    sharded: whether the shards are there already. images: how many those samples are of, empty where not counted."""

    samples: dict[str, int]
    shards: dict[str, int]
    drawn: list[Candidate]
    sharded: bool = False
    images: dict[str, int] = field(default_factory=dict)


def survey_source(
    reader: SourceReader, config: CorpusConfig, seed: int, count: int, progress: Progress = silent
) -> Survey:
    """The samples of a source as `shard` would take them, any `count` of those of train with equal chance (reservoir
    sampling). Raises `SourceError` if train would have none."""
    found: Counter[str] = Counter()
    drawn: list[Candidate] = []
    lot = Random(derived_seed(seed, "estimate"))

    images = TakenImages(reader, config, seed)
    for sample in (sample for raw in images for sample in candidates(raw, config)):
        found[sample.split] += 1
        if sample.split == "train":
            place = len(drawn) if len(drawn) < count else lot.randrange(found["train"])
            drawn[place : place + 1] = [sample] if place < count else []
        if found.total() % 1000 == 0:
            progress(found.total(), 0, "samples counted")
    _require_train(drawn, reader.uri)
    shards = {split: -(-number // config.samples_per_shard) for split, number in found.items()}
    return Survey(dict(found), shards, drawn, images=dict(images.counts))


def sharded_splits(folder: Folder) -> dict[str, Folder]:
    """The splits of a corpus that `shard` made; a folder with the shards of one is train. Empty for other sources."""
    top = folder.top()
    if any(name.endswith(receipt_name("")) for name in top):
        return {"train": folder}
    if SHARDING_NAME not in top:
        return {}
    found = {name.partition("/")[0] for name in folder.names() if name.endswith(f"/{MANIFEST_NAME}")}
    return {split: folder.below(split) for split in sorted(found)}


def survey_shards(splits: Mapping[str, Folder], seed: int, count: int) -> Survey:
    """A sharded corpus, from its manifests, and samples from the beginnings of a few shards of train.

    Raises `SourceError` if there are none, or if it is protected already.
    """
    listed = {
        split: build_manifest(folder, kind="clean", known=manifest_or_none(folder)).shards
        for split, folder in splits.items()
    }
    _require_train(listed.get("train"), next(iter(splits.values())).uri.rpartition("/")[0])
    train = splits["train"]
    require_clean(train, [listed["train"][0].name])
    order = permutation(len(listed["train"]), seed, "estimate")[:_TARS]
    each = -(-count // len(order))
    drawn = [
        sample for place in order for sample in islice(_samples_of(train, listed["train"][place].name, seed), each)
    ]
    return Survey(
        samples={split: sum(sum(entry.counts.values()) for entry in entries) for split, entries in listed.items()},
        shards={split: len(entries) for split, entries in listed.items()},
        drawn=drawn[:count],
        sharded=True,
    )


def _require_train(found: object, uri: str) -> None:
    if not found:
        raise SourceError(f"expected samples for a train split in {uri}, but it has none")


def _samples_of(folder: Folder, shard: str, seed: int) -> Iterator[Candidate]:
    reader, config = open_source(folder, f"{shard}.tar", format="webdataset"), CorpusConfig(validation=0)
    return (sample for raw in TakenImages(reader, config, seed) for sample in candidates(raw, config))
