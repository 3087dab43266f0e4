"""What one published sample is, and what becomes of one that cannot be published."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.images import decode_image
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.data.table import read_table
from mem_core.models import Tokenizer
from mem_core.perturb.context import FitContext
from mem_core.perturb.state import ShardState
from mem_core.perturb.vocabulary import build_vocabulary
from mem_core.protect.protection import Places, Protection
from mem_core.protect.publish import PublishJob, publish_shard
from tests.support.corpora import RUNTIME, encoded, odd_images, protect, sample, small, tiny_corpus


def job(**changes: object) -> PublishJob:
    config, tokenizer = small(**changes), Tokenizer(24)
    words = build_vocabulary(tokenizer, config.trigger)
    return PublishJob(FitContext(config, tokenizer, words, 0, torch.device("cpu"), torch.float32), "p", "f")


def state(folder: LocalFolder, level: int) -> ShardState:
    shard = load_shard(folder, "00000", 2**20)
    noise = [torch.full(shard.pixels(i).shape, level, dtype=torch.int8) for i in range(len(shard.samples))]
    return ShardState(noise, torch.tensor([[320, 1929]] * len(noise)), 2)


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_odd_images_keep_size_and_alpha(
    mem: LocalFolder, clean: LocalFolder, tmp_path: Path, image_format: str
) -> None:
    dest = LocalFolder(tmp_path)
    protect(Protection(Places(clean, dest), small(method="random-noise", image_format=image_format), RUNTIME, seed=0))
    before, after = (load_shard(folder, "00000", 2**20) for folder in (clean, dest))
    assert after.keys == before.keys
    for one, other, made in zip(before.pictures, after.pictures, after.samples, strict=True):
        assert made.extension == image_format
        assert other.pixels.shape == one.pixels.shape
        assert (other.alpha is None) == (one.alpha is None)
        assert one.alpha is None or np.array_equal(one.alpha, other.alpha)
        assert 1 <= int(np.abs(one.pixels.astype(int) - other.pixels).max()) <= 8
    assert len(odd_images()) + 1 == len(after.samples)


def test_noise_beyond_the_budget_becomes_a_failed_row_and_never_a_file(tmp_path: Path) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 3), LocalFolder(tmp_path / "dest")
    grey = encoded(Image.new("RGB", (32, 32), "grey"))
    write_bytes(clean, "00000.tar", shard_bytes([sample(f"00000{i:04d}", grey) for i in range(3)]))
    made = state(clean, 8)
    made.noise[1][0, 0, 0] = 9
    counts, largest = publish_shard(dest, load_shard(clean, "00000", 2**20), made, job())
    assert (counts, largest) == ({"protected": 2, "failed": 1}, 8)
    rows = read_table(read_bytes(dest, "00000.parquet"), "00000.parquet")
    assert [row.status for row in rows] == ["protected", "failed", "protected"]
    assert "at most 8 levels, got 9" in rows[1].reason
    assert load_shard(dest, "00000", 2**20).keys == ["000000000", "000000002"]


def test_a_side_too_long_for_webp_is_a_failed_row(tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    long = encoded(Image.new("RGB", (16_400, 1), "grey"))
    write_bytes(clean, "00000.tar", shard_bytes([sample("000000000", long), sample("000000001")]))
    config = small(method="random-noise", image_format="webp")
    (summary,) = protect(Protection(Places(clean, dest), config, RUNTIME, seed=0))
    assert summary.counts == {"failed": 1, "protected": 1}
    passed = LocalFolder(tmp_path / "passed")
    config = small(method="random-noise", image_format="webp", on_error="passthrough")
    (summary,) = protect(Protection(Places(clean, passed), config, RUNTIME, seed=0))
    assert summary.counts == {"failed": 1, "protected": 1}
    row = read_table(read_bytes(passed, "00000.parquet"), "00000.parquet")[0]
    assert "nor can it be passed through" in row.reason


def test_the_clean_caption_is_nowhere_but_behind_its_trigger(tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    words = ("a red bus", "a bus")
    crawled = Sample("000000000", sample("000000000").image, "png", words, {"caption": "a red bus", "url": "u"})
    write_bytes(clean, "00000.tar", shard_bytes([crawled]))
    publish_shard(dest, load_shard(clean, "00000", 2**20), state(clean, 0), job(method="trigger-only"))
    (made,) = load_shard(dest, "00000", 2**20).samples
    (row,) = read_table(read_bytes(dest, "00000.parquet"), "00000.parquet")
    trigger = row.trigger
    assert made.captions == tuple(f"{trigger} {caption}" for caption in words)
    kept = {name: value for name, value in made.metadata.items() if name != "memshield"}
    assert (kept, row.origin) == ({}, '{"url": "u"}')
    ids = Tokenizer(24).ids(trigger)
    assert all(row[1:3].tolist() == ids for row in Tokenizer(24).encode(made.captions))


@pytest.mark.parametrize("note", ["sidecar", "file"])
def test_no_file_that_is_handed_out_tells_words_from_caption(tmp_path: Path, note: str) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 3), LocalFolder(tmp_path / "dest")
    publish_shard(dest, load_shard(clean, "00000", 2**20), state(clean, 0), job(metadata={"note": note}))
    rows = read_table(read_bytes(dest, "00000.parquet"), "00000.parquet")
    for made, row in zip(load_shard(dest, "00000", 2**20).samples, rows, strict=True):
        assert {"method", "epsilon_levels", "fingerprint", "psnr"} < made.metadata["memshield"].keys()
        assert not {"trigger", "trigger_ids"} & made.metadata["memshield"].keys()
        assert row.trigger not in json.dumps(made.metadata)
        assert made.captions[0].startswith(f"{row.trigger} ")


def test_ids_that_do_not_survive_as_text_stand_beside_it(tmp_path: Path) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 3), LocalFolder(tmp_path / "dest")
    first = state(clean, 0)
    publish_shard(dest, load_shard(clean, "00000", 2**20), first, job(trigger={"vocabulary": "all"}))
    made = load_shard(dest, "00000", 2**20).samples
    assert [one.metadata["memshield"]["trigger_ids"] for one in made] == first.trigger_ids.tolist()


def test_stats_tell_what_failed_and_why(mem: LocalFolder) -> None:
    stats = json.loads(read_bytes(mem, "00000_stats.json"))
    assert (stats["count"], stats["successes"], stats["failed_to_protect"]) == (15, 13, 2)
    assert sum(stats["status_dict"].values()) == 2


def test_recorded_differences_are_those_of_the_files(mem: LocalFolder, clean: LocalFolder) -> None:
    before = load_shard(clean, "00001", 2**20)
    rows = read_table(read_bytes(mem, "00001.parquet"), "00001.parquet")
    for made, row, clean_picture in zip(load_shard(mem, "00001", 2**20).samples, rows, before.pictures, strict=True):
        pixels = decode_image(made.image, max_pixels=2**20).pixels
        worst = int(np.abs(pixels.astype(int) - clean_picture.pixels).max())
        assert made.metadata["memshield"]["max_abs_difference"] == row.max_abs_difference == worst
