"""What a night finds to do, what it leaves behind, and what a retry makes of that."""

from pathlib import Path

import pytest

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.protect.failures import Failures, read_failures, write_failures
from mem_core.protect.night import conclude_night, plan_night, plan_retry, source_of_failures
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, odd_shard, plain_shard, protect, small, tiny_corpus

CONFIG = small(method="codebook", noise={"topics": 2}, trigger={"length": 1})


@pytest.fixture
def clean(tmp_path: Path) -> LocalFolder:
    return tiny_corpus(tmp_path / "clean", 6, 6)


@pytest.fixture
def dest(clean: LocalFolder, tmp_path: Path) -> LocalFolder:
    """The corpus of the first night, with its protector."""
    folder = LocalFolder(tmp_path / "dest")
    protect(Protection(Places(clean, folder), CONFIG, RUNTIME, seed=1))
    return folder


def replayed(clean: LocalFolder, dest: LocalFolder) -> Protection:
    config = CONFIG.model_copy(update={"strategy": "replay"})
    return Protection(Places(clean, dest, dest.below("protector")), config, RUNTIME, seed=1)


def test_only_new_shards_wait_and_only_when_they_are_ready(clean: LocalFolder, dest: LocalFolder) -> None:
    protector = dest.below("protector")
    assert plan_night(clean, dest, protector, CONFIG, "tar").waiting == ()
    for shard in ("00002", "00003"):
        write_bytes(clean, f"{shard}.tar", plain_shard(shard, 3))
    write_bytes(clean, "00003_stats.json", b"{}")
    plan = plan_night(clean, dest, protector, CONFIG, "tar")
    assert (plan.waiting, plan.finished) == (("00002", "00003"), 2)
    plan = plan_night(clean, dest, protector, CONFIG, "stats")
    assert (plan.waiting, plan.unready) == (("00003",), 1)
    assert plan.lines == ("1 new shard, 1 not complete yet, 2 finished before",)


def test_shards_of_other_settings_are_kept_and_named(clean: LocalFolder, dest: LocalFolder) -> None:
    changed = CONFIG.model_copy(update={"image_format": "webp"})
    plan = plan_night(clean, dest, dest.below("protector"), changed, "tar")
    assert plan.waiting == ()
    assert set(plan.differing) == {"00000", "00001"}
    assert "2 finished shards would be made differently today and are kept: 00000" in plan.lines[1]


def test_protected_shards_are_not_protected_again(dest: LocalFolder, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="would add up"):
        plan_night(dest, LocalFolder(tmp_path / "twice"), dest.below("protector"), CONFIG, "tar")


def test_failures_are_noted_until_their_shards_have_a_receipt(clean: LocalFolder, dest: LocalFolder) -> None:
    write_bytes(clean, "00002.tar", plain_shard("00002", 3))
    noted = Failures(clean=clean.uri, protector="p")
    manifest = replayed(clean, dest).finish()
    summary = conclude_night(dest, manifest, [], {"00002": "the store went away"}, noted)
    assert (summary.protected, summary.failed, summary.shards) == (0, {"00002": "the store went away"}, 2)
    assert source_of_failures(dest, None, None) == (clean.uri, "p")
    assert plan_retry(clean, dest).waiting == ("00002",)
    replayed(clean, dest).publish("00002")
    assert read_failures(dest).shards == {}
    assert plan_retry(clean, dest).waiting == ()
    write_failures(dest, Failures())
    with pytest.raises(ConfigError, match="note about failed shards"):
        source_of_failures(dest, None, None)


def test_failed_samples_are_tried_again_when_their_input_was_replaced(clean: LocalFolder, tmp_path: Path) -> None:
    write_bytes(clean, "00001.tar", odd_shard("00001"))
    dest = LocalFolder(tmp_path / "odd")
    protect(Protection(Places(clean, dest), CONFIG, RUNTIME, seed=1))
    plan = plan_retry(clean, dest)
    assert plan.waiting == ()
    assert plan.lines[1].startswith("2 failed samples stay as they are")
    write_bytes(clean, "00001.tar", plain_shard("00001", 6))
    assert plan_retry(clean, dest).waiting == ("00001",)
    assert not dest.exists("00001.receipt.json")
    assert dest.exists("00000.receipt.json")
