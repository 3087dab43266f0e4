"""What a fit does with states and surrogates that are behind, ahead or another run's."""

from pathlib import Path

import pytest
import torch

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.models import OpenClipEncoder
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, contents, small, tiny_corpus

CONFIG = small(surrogate={"steps_per_round": 2}, noise={"num_steps": 1})


@pytest.fixture
def clean(tmp_path: Path) -> LocalFolder:
    return tiny_corpus(tmp_path / "clean", 4, 3)


def rounds(clean: LocalFolder, dest: LocalFolder, count: int, config: ProtectConfig = CONFIG) -> Protection:
    protection = Protection(Places(clean, dest), config, RUNTIME, seed=0)
    protection.begin()
    for number in range(count):
        protection.fit.train_surrogate(number)
        for shard in protection.shards:
            protection.fit.update_shard(shard, number)
    return protection


def test_a_state_lost_within_a_round_is_caught_up_with(clean: LocalFolder, tmp_path: Path) -> None:
    whole, dest = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "dest")
    rounds(clean, whole, 2)
    protection = rounds(clean, dest, 1)
    for name in list(dest.below("_state").names()):
        if name.endswith(".safetensors"):
            dest.below("_state").delete(name)
    protection.fit.train_surrogate(1)
    for shard in protection.shards:
        protection.fit.update_shard(shard, 1)
    assert contents(dest) == contents(whole)


def test_a_surrogate_trained_again_sees_the_states_it_saw_before(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path / "dest")
    rounds(clean, dest, 2)
    before = contents(dest)
    dest.below("protector").delete("surrogate-001.safetensors")
    summary = Protection(Places(clean, dest), CONFIG, RUNTIME, seed=0).fit.train_surrogate(1)
    assert summary is not None
    assert summary.steps == 2
    assert contents(dest) == before


def test_rounds_already_done_are_not_done_again(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path / "dest")
    losses = {(s, n): rounds(clean, dest, 2).fit.update_shard(s, n) for s in ("00000", "00001") for n in (0, 1)}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "dest").rglob("*")}
    again = Protection(Places(clean, dest), CONFIG, RUNTIME, seed=0)
    again.begin()
    assert again.fit.train_surrogate(0) is None
    assert {(s, n): again.fit.update_shard(s, n) for s, n in losses} == losses
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "dest").rglob("*")} == before


def test_the_state_of_another_run_is_not_taken_over(clean: LocalFolder, tmp_path: Path) -> None:
    one, other = LocalFolder(tmp_path / "one"), LocalFolder(tmp_path / "other")
    rounds(clean, one, 1)
    protection = rounds(clean, other, 1, small(surrogate={"steps_per_round": 2}, noise={"num_steps": 2}))
    own = read_bytes(other, "_state/00000.safetensors")
    write_bytes(other, "_state/00000.safetensors", read_bytes(one, "_state/00000.safetensors"))
    Protection(Places(clean, other), protection.config, RUNTIME, seed=0).fit.update_shard("00000", 0)
    assert read_bytes(other, "_state/00000.safetensors") == own


def test_a_diverged_surrogate_leaves_nothing_behind(
    clean: LocalFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = OpenClipEncoder.encode_image

    def overflowing(self: OpenClipEncoder, images: torch.Tensor) -> torch.Tensor:
        return whole(self, images) * float("nan")

    monkeypatch.setattr(OpenClipEncoder, "encode_image", overflowing)
    dest = LocalFolder(tmp_path / "dest")
    protection = Protection(Places(clean, dest), CONFIG, RUNTIME, seed=0)
    protection.begin()
    with pytest.raises(ConfigError, match="loss of the surrogate of round 1 to stay finite"):
        protection.fit.train_surrogate(0)
    assert set(contents(dest)) == {"_state/fit.txt"}


def test_steps_follow_the_corpus_whether_its_tars_have_receipts_or_not(clean: LocalFolder, tmp_path: Path) -> None:
    config = small(surrogate={"steps_per_round": {"passes": 3, "least": 2, "most": 50}}, noise={"num_steps": 1})
    protection = Protection(Places(clean, LocalFolder(tmp_path / "dest")), config, RUNTIME, seed=0)
    protection.begin()
    summary = protection.fit.train_surrogate(0)
    assert summary is not None
    assert summary.steps == 4  # 3 times 7 samples in batches of 6


def test_training_goes_on_in_memory_as_it_does_from_its_files(clean: LocalFolder, tmp_path: Path) -> None:
    held, stored = LocalFolder(tmp_path / "held"), LocalFolder(tmp_path / "stored")
    rounds(clean, held, 3)
    Protection(Places(clean, stored), CONFIG, RUNTIME, seed=0).begin()
    for number in range(3):
        Protection(Places(clean, stored), CONFIG, RUNTIME, seed=0).fit.train_surrogate(number)
        for shard in ("00000", "00001"):
            Protection(Places(clean, stored), CONFIG, RUNTIME, seed=0).fit.update_shard(shard, number)
    assert contents(held) == contents(stored)
