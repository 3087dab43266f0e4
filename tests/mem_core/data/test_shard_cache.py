"""Shards in memory: every sample accounted for, captions drawn from their own sample, memory bounded."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.shard import shard_bytes
from mem_core.data.shard_cache import CleanCorpus, LoadedShard, load_shard
from mem_core.models.token_rows import CaptionTokens, batches, without_padding
from tests.support.corpora import sample, tiny_corpus


def test_every_sample_is_usable_or_broken(clean: LocalFolder) -> None:
    shard = load_shard(clean, "00000", 2**20)
    assert shard.sha256 == hashlib.sha256(read_bytes(clean, "00000.tar")).hexdigest()
    assert sorted([*shard.keys, *shard.broken]) == sorted(shard.rows)
    assert set(shard.broken) == {"000000100", "000000101"}
    assert set(shard.raw) == {"000000100"}  # its bytes could be read, the empty caption's sample not
    for i, picture in enumerate(shard.pictures):
        assert shard.pixels(i).shape == (3, picture.height, picture.width)
        assert shard.pixels(i).dtype == torch.uint8


def test_large_pictures_are_broken_and_not_decoded(tmp_path: Path) -> None:
    shard = load_shard(tiny_corpus(tmp_path, 3), "00000", 32 * 32 - 1)
    assert shard.samples == []
    assert all("at most 1023 pixels" in broken.reason for broken in shard.broken.values())


def test_an_empty_tar_is_a_shard_without_samples(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    write_bytes(folder, "00000.tar", shard_bytes([]))
    assert load_shard(folder, "00000", 2**20).rows == []


def test_the_cache_keeps_what_fits_and_the_latest(tmp_path: Path) -> None:
    folder = tiny_corpus(tmp_path, 4, 4, 4)
    size = load_shard(folder, "00000", 2**20).nbytes
    cache = CleanCorpus(folder, 2**20, int(2.5 * size))
    first = cache.load("00000")
    cache.load("00001")
    assert cache.load("00000") is first
    cache.load("00002")  # the one not used for longest goes
    assert cache.load("00000") is first
    nothing = CleanCorpus(folder, 2**20, 0)
    assert nothing.load("00000") is not nothing.load("00000")


@pytest.mark.parametrize("images_kept", [0, 1, 2])
def test_images_beyond_the_bound_are_decoded_at_each_use(tmp_path: Path, images_kept: int) -> None:
    folder = tiny_corpus(tmp_path, 4)
    whole = load_shard(folder, "00000", 2**20)
    assert whole.pictures[0] is whole.pictures[0]
    size = whole.pictures[0].pixels.nbytes
    bounded = load_shard(folder, "00000", 2**20, max_bytes=images_kept * size + size // 2)
    files = sum(len(sample.image) for sample in bounded.samples)
    assert bounded.nbytes == images_kept * size + files
    assert [bounded.pictures[i] is bounded.pictures[i] for i in range(4)] == [i < images_kept for i in range(4)]
    for one, other in zip(whole.pictures, bounded.pictures, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    assert bounded.first(3).nbytes == min(images_kept, 3) * size + files - len(bounded.samples[3].image)
    assert torch.equal(bounded.first(3).pixels(2), whole.pixels(2))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 2**31))
def test_captions_are_drawn_from_their_own_sample(counts: list[int], seed: int) -> None:
    captions = [[f"{i} {n + 1}" for n in range(count)] for i, count in enumerate(counts)]

    def encode(texts: list[str]) -> torch.Tensor:
        return torch.tensor([[int(part) for part in text.split()] for text in texts])

    rows = CaptionTokens(captions, encode)  # type: ignore[arg-type]
    draw = torch.Generator().manual_seed(seed)
    places = torch.randint(len(counts), (40,), generator=draw)
    for place, (owner, number) in zip(places.tolist(), rows.draw(places, draw).tolist(), strict=True):
        assert owner == place
        assert 1 <= number <= counts[place]


def test_captions_are_drawn_evenly() -> None:
    rows = CaptionTokens([["1", "2", "3", "4", "5"]], lambda texts: torch.tensor([[int(t)] for t in texts]))
    drawn = rows.draw(torch.zeros(5000, dtype=torch.long), torch.Generator().manual_seed(0))
    assert torch.bincount(drawn.flatten())[1:].min() > 850


@given(st.lists(st.lists(st.integers(0, 9), min_size=6, max_size=6), max_size=5), st.integers(0, 8))
def test_only_columns_of_padding_are_left_out(rows: list[list[int]], room: int) -> None:
    whole = torch.tensor(rows, dtype=torch.int64).reshape(-1, 6)
    kept = without_padding(whole, room)
    width = kept.shape[1]
    assert torch.equal(kept, whole[:, :width])
    assert not whole[:, width:].any()
    assert width == 6 or width == room or bool(whole[:, width - room - 1].any())


@given(st.integers(0, 300), st.integers(1, 70), st.integers(0, 2**31))
def test_batches_are_even_and_hold_everything_once(count: int, size: int, seed: int) -> None:
    pieces = list(batches(count, size, torch.Generator().manual_seed(seed)))
    assert sorted(int(i) for piece in pieces for i in piece) == list(range(count))
    assert all(len(piece) <= size for piece in pieces)
    assert not pieces or max(map(len, pieces)) - min(map(len, pieces)) <= 1
    assert len(pieces) == -(-count // size)


def test_memory_counts_pixels_and_files(tmp_path: Path) -> None:
    write_bytes(LocalFolder(tmp_path), "00000.tar", shard_bytes([sample("000000000")]))
    shard: LoadedShard = load_shard(LocalFolder(tmp_path), "00000", 2**20)
    assert shard.nbytes == 32 * 32 * 3 + len(shard.samples[0].image)
