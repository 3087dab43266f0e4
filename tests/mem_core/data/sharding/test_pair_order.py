"""Pairs of a pair corpus: all there once, counted by images, shuffled by the seed, rarely beside a sibling."""

import json
import resource
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import webdataset

from mem_core.common.errors import MismatchError, StopRun
from mem_core.common.rng import generator
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import CorpusConfig, ProtectConfig
from mem_core.data.readers import RawSample, open_source
from mem_core.data.readers.base import NoImage
from mem_core.data.sharding.pair_order import shuffled_pairs
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.survey import survey_source
from mem_core.models.token_rows import batches
from mem_core.victim.stream import _BUFFER, even_batches
from tests.support.listed_source import Listed, contents, jpeg, raw, rows, samples

PAIRS = CorpusConfig(samples_per_shard=7, one_sample_per="pair")
FIVE = tuple(f"told the {number}th time" for number in range(1, 6))


def photos(count: int, split: str = "") -> list[RawSample]:
    return [raw(number, split, captions=FIVE) for number in range(count)]


def test_every_pair_is_there_once_whatever_the_order_of_the_source(tmp_path: Path) -> None:
    one, other = LocalFolder(tmp_path / "one"), LocalFolder(tmp_path / "other")
    found = shard_source(Listed(photos(20)), one, PAIRS, 3)["train"]
    assert (found.images, found.samples, found.failed, found.shards) == (20, 100, 0, 15)
    made = samples(one.below("train"))
    assert len({sample.key for sample in made}) == 100
    assert {(s.metadata["name"], s.metadata["caption_index"], s.captions[0]) for s in made} == {
        (f"{number}.jpg", index, FIVE[index]) for number in range(20) for index in range(5)
    }
    assert all(sample.image == jpeg(sample.metadata["number"]) for sample in made)
    shard_source(Listed(photos(20)[::-1]), other, PAIRS, 3)
    assert contents(other) == contents(one)
    stats = json.loads(read_bytes(one, "train/00000_stats.json"))
    assert (stats["count"], stats["images"]) == (7, len({s.metadata["name"] for s in made[:7]}))


def test_the_seed_draws_the_order() -> None:
    def order(seed: int) -> list[tuple[str, str]]:
        return [(pair.name, pair.captions[0]) for pair in shuffled_pairs(photos(20), PAIRS, seed)]

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))


def test_limit_counts_images(tmp_path: Path) -> None:
    source = Listed([*photos(12, "train"), *photos(12, "test")])
    config = CorpusConfig(samples_per_shard=10, one_sample_per="pair", limit=6, test_limit=2)
    found = shard_source(source, LocalFolder(tmp_path), config, 0)
    assert {split: (one.images, one.samples) for split, one in found.items()} == {"train": (6, 30), "test": (2, 10)}
    survey = survey_source(source, config, 0, 5)
    assert (survey.samples, survey.images) == ({"train": 30, "test": 10}, {"train": 6, "test": 2})


def test_an_image_that_cannot_be_used_is_a_row_for_each_pair_and_one_image(tmp_path: Path) -> None:
    unread = replace(raw(5, captions=FIVE), image=NoImage("gone"))
    found = shard_source(Listed([*photos(4), raw(4, good=False, captions=FIVE), unread]), LocalFolder(tmp_path), PAIRS)
    assert (found["train"].images, found["train"].samples, found["train"].failed) == (6, 20, 10)
    failed = [row for row in rows(LocalFolder(tmp_path / "train")) if row.status == "failed"]
    assert Counter(row.reason for row in failed if "gone" in row.reason) == {"5.jpg: gone": 5}


def test_an_image_is_read_once_and_a_killed_run_ends_in_the_same_bytes(tmp_path: Path) -> None:
    config = PAIRS.model_copy(update={"resize": 8})
    whole, resumed = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "resumed")
    reads: Counter[str] = Counter()

    def counting(sample: RawSample) -> RawSample:
        def image() -> bytes:
            reads[sample.name] += 1
            return sample.image()

        return replace(sample, image=image)

    shard_source(Listed([counting(sample) for sample in photos(20)]), whole, config, 0)
    assert set(reads.values()) == {1}

    def stop(done: int, total: int, text: str) -> None:
        if text.startswith("train"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shard_source(Listed(photos(20)), resumed, config, 0, stop)
    assert resumed.exists("train/00003.receipt.json")
    summary = shard_source(Listed(photos(20)), resumed, config, 0)["train"]
    assert summary.kept > 0
    assert contents(resumed) == contents(whole)


def test_a_corpus_of_pairs_can_be_sharded_again(tmp_path: Path) -> None:
    first, second = LocalFolder(tmp_path / "first"), LocalFolder(tmp_path / "second")
    shard_source(Listed(photos(20)), first, PAIRS, 0)
    shard_source(open_source(first.path), second, PAIRS, 1)
    one, two = ({(s.metadata["name"], s.captions) for s in samples(c.below("train"))} for c in (first, second))
    assert one == two
    assert len(one) == 100


def test_a_corpus_with_its_pairs_side_by_side_is_not_continued(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    shard_source(Listed(photos(4)), dest, PAIRS, 0)
    mark = json.loads(read_bytes(dest, "sharding.json"))
    mark["corpus"]["one_sample_per"] = "pair"  # as version 0.3.0 left it
    write_bytes(dest, "sharding.json", json.dumps(mark).encode())
    with pytest.raises(MismatchError, match=r"one_sample_per pair, shuffled \(it was pair\): use those, or another"):
        shard_source(Listed(photos(4)), dest, PAIRS, 0)


def test_a_full_disk_is_a_sentence() -> None:
    large = [RawSample(str(number), lambda: bytes(4_000_000), FIVE, "train") for number in range(8)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StopRun, match=r"expected room for all images of the source, once, in the folder for temp"):
            next(shuffled_pairs(large, PAIRS, 0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


PHOTOS, SHARD, BATCH = 6000, 1000, 128  # Flickr8k's training split, as the paper's scale shards it


def test_siblings_in_a_batch_are_below_two_percent() -> None:
    """Shuffled, a shard is a random part of all pairs, and so is a batch of one shard, of a pool or of a buffer: a pair
    has one of its 4 siblings among the other 127 of 29,999 with 1 - (1 - 127 / 29,999)^4 = 1.7 %."""
    source = (RawSample(f"{number}.jpg", lambda: b"", FIVE, "train") for number in range(PHOTOS))
    config = CorpusConfig(samples_per_shard=SHARD, one_sample_per="pair")
    names = [pair.name for pair in shuffled_pairs(source, config, 0)]
    shards = [names[first : first + SHARD] for first in range(0, len(names), SHARD)]
    expected = 1 - (1 - (BATCH - 1) / (5 * PHOTOS - 1)) ** 4
    assert expected == pytest.approx(0.0168, abs=1e-4)
    for found in (_share(_noise(shards)), _share(_surrogate(shards)), _share(_victim(shards))):
        assert found == pytest.approx(expected, abs=0.003)
        assert found < 0.02
    side_by_side = [f"{number}.jpg" for number in range(PHOTOS) for _ in FIVE]
    unshuffled = [side_by_side[first : first + SHARD] for first in range(0, len(names), SHARD)]
    assert _share(_noise(unshuffled)) > 0.4


def _share(drawn: Iterable[Sequence[str]]) -> float:
    """The share of samples that meet another one of their photo in their batch."""
    counts = [Counter(batch) for batch in drawn]
    return sum(n for one in counts for n in one.values() if n > 1) / sum(one.total() for one in counts)


def _noise(shards: list[list[str]]) -> Iterator[list[str]]:
    for number, names in enumerate(shards):
        for places in batches(len(names), BATCH, generator(0, "noise", number)):
            yield [names[place] for place in places]


def _surrogate(shards: list[list[str]]) -> Iterator[list[str]]:
    draw, pools = generator(0, "surrogate"), ProtectConfig().surrogate.pool_shards
    order = torch.randperm(len(shards), generator=draw).tolist()
    for first in range(0, len(order), pools):
        pool = [name for number in order[first : first + pools] for name in shards[number]]
        for places in batches(len(pool), BATCH, draw):
            yield [pool[place] for place in places]


def _victim(shards: list[list[str]]) -> Iterator[list[str]]:
    read = webdataset.DataPipeline(
        webdataset.SimpleShardList([str(number) for number in range(len(shards))], seed=0),
        lambda urls: (name for url in urls for name in shards[int(url["url"])]),
        webdataset.shuffle(_BUFFER, initial=_BUFFER, seed=0),
    )
    return even_batches(iter(read), sum(map(len, shards)), BATCH)
