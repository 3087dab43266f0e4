"""Equal bytes whatever happens on the way: replay, another order, kills, lost and damaged files."""

import itertools
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import Method, ProtectConfig
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import (
    RUNTIME,
    SEED,
    Cut,
    Failing,
    contents,
    fit,
    open_again,
    protect,
    published,
    samples_of,
    small,
)


def test_replay_of_the_resulting_protector_gives_the_same_bytes(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path
) -> None:
    """One shard at a time, each by a new process that knows nothing but the protector; in another order."""
    dest = LocalFolder(tmp_path)
    for shard in ("00002", "00000", "00001"):
        config = ProtectConfig(strategy="replay", method="mem", image_format="png")
        replay = Protection(Places(clean, dest, protector=mem.below("protector")), config, RUNTIME, seed=99)
        assert replay.fitted
        replay.begin()
        replay.publish(shard)
    assert published(dest) == published(mem)


def test_the_order_of_the_shards_changes_nothing(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    protection = open_again(clean, LocalFolder(tmp_path))
    protection.begin()
    losses = []
    for number in range(2):
        protection.fit.train_surrogate(number)
        each = {shard: protection.fit.update_shard(shard, number) for shard in reversed(protection.shards)}
        losses.append(fmean(each[shard] for shard in protection.shards))
    protection.fit.finish(losses)
    for shard in reversed(protection.shards):
        protection.publish(shard)
    protection.finish()
    assert contents(LocalFolder(tmp_path)) == contents(mem)


def test_stopping_after_every_step_changes_nothing(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    """A new object, as after a kill, for every call; and every call twice, as a retry would."""
    dest = LocalFolder(tmp_path)

    def twice(call: Callable[[Protection], object]) -> object:
        first = open_again(clean, dest)
        first.begin()
        call(first)
        again = open_again(clean, dest)
        again.begin()
        return call(again)

    losses = []
    for number in range(2):
        assert twice(lambda p, number=number: p.fit.train_surrogate(number)) is None
        each = [twice(lambda p, s=s, n=number: p.fit.update_shard(s, n)) for s in ("00000", "00001", "00002")]
        losses.append(fmean(each))  # type: ignore[arg-type]
    twice(lambda p: p.fit.finish(losses))
    for shard in ("00000", "00001", "00002"):
        assert twice(lambda p, shard=shard: p.publish(shard)).repeated  # type: ignore[attr-defined]
    twice(lambda p: p.finish())
    assert contents(dest) == contents(mem)


@pytest.mark.parametrize("method", ["mem", "uap"])
def test_a_write_that_fails_midway_changes_nothing(clean: LocalFolder, tmp_path: Path, method: Method) -> None:
    """The destination breaks at its first write, then at its second after a restart, and so on to the end."""
    whole, dest = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "dest")
    config = small(method=method, surrogate={"steps_per_round": 1}, noise={"num_steps": 1})
    protect(open_again(clean, whole, config))
    for fail_at in itertools.count(1):
        broken = Failing(dest, fail_at)
        try:
            protect(Protection(Places(clean, broken), config, RUNTIME, seed=SEED))
        except Cut:
            continue
        break
    assert fail_at > 3
    assert contents(dest) == contents(whole)


@pytest.mark.parametrize("lost", ["00001.safetensors", "*.safetensors", "surrogate-001.safetensors"])
def test_lost_files_of_a_running_fit_are_made_again(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, lost: str
) -> None:
    dest = LocalFolder(tmp_path)
    protection = open_again(clean, dest)
    protection.begin()
    for number in range(2):
        protection.fit.train_surrogate(number)
        for shard in protection.shards:
            protection.fit.update_shard(shard, number)
    for path in tmp_path.glob(f"*/{lost}"):
        if "surrogate" in lost or path.parent.name == "_state":
            path.unlink()
    protect(open_again(clean, dest))
    assert contents(dest) == contents(mem)


@pytest.mark.parametrize("when", [0, 1])
def test_a_state_lost_between_two_rounds_is_made_again(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, when: int
) -> None:
    """Lost before the surrogate of round 1 is trained, and between training and using it."""
    dest = LocalFolder(tmp_path)
    protection = open_again(clean, dest)
    protection.begin()
    protection.fit.train_surrogate(0)
    for shard in protection.shards:
        protection.fit.update_shard(shard, 0)
    if when:
        open_again(clean, dest).fit.train_surrogate(1)
    (tmp_path / "_state" / "00000.safetensors").unlink()
    protect(open_again(clean, dest))
    assert contents(dest) == contents(mem)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("_state/00001.safetensors", damage) for damage in ("cut", "garbage", "flipped", "empty")),
        *(("_state/optimizer-000.pt", damage) for damage in ("cut", "garbage", "empty")),
    ],
)
def test_damaged_files_of_a_running_fit_are_named(clean: LocalFolder, tmp_path: Path, name: str, damage: str) -> None:
    dest = LocalFolder(tmp_path)
    protection = open_again(clean, dest, small(rounds=2, surrogate={"steps_per_round": 1}))
    protection.begin()
    protection.fit.train_surrogate(0)
    for shard in protection.shards:
        protection.fit.update_shard(shard, 0)
    data = read_bytes(dest, name)
    middle = len(data) // 2
    changed = {
        "cut": data[:middle],
        "garbage": b"not what you think" * 10,
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "empty": b"",
    }
    write_bytes(dest, name, changed[damage])
    with pytest.raises(MismatchError, match=name.split("/")[1]):
        open_again(clean, dest, protection.config).fit.train_surrogate(1)


def test_a_lost_optimizer_is_named(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    protection = open_again(clean, dest, small(surrogate={"steps_per_round": 1}))
    protection.begin()
    protection.fit.train_surrogate(0)
    (tmp_path / "_state" / "optimizer-000.pt").unlink()
    with pytest.raises(MismatchError, match="optimizer-000"):
        open_again(clean, dest, protection.config).fit.train_surrogate(1)


def test_receipts_keep_shards_from_being_made_again(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    for name, data in contents(mem).items():
        write_bytes(dest, name, data)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("0*")}
    assert all(summary.repeated for summary in protect(open_again(clean, dest)))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("0*")} == before


@pytest.mark.parametrize("lost", ["00001.tar", "00001.parquet", "00001_stats.json", "00001.receipt.json"])
def test_lost_outputs_are_made_again(clean: LocalFolder, mem: LocalFolder, tmp_path: Path, lost: str) -> None:
    dest = LocalFolder(tmp_path)
    for name, data in contents(mem).items():
        if name != lost:
            write_bytes(dest, name, data)
    again = Protection(Places(clean, dest), small(), RUNTIME, seed=SEED, on_mismatch="redo")
    assert [summary.repeated for summary in protect(again)] == [True, False, True]
    assert contents(dest) == contents(mem)


def test_a_lost_protector_is_fitted_again(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    for name, data in contents(mem).items():
        if name != "protector/protector.json":
            write_bytes(dest, name, data)
    protect(open_again(clean, dest))
    assert contents(dest) == contents(mem)


def test_the_early_stop_is_part_of_the_protector(clean: LocalFolder, tmp_path: Path) -> None:
    dest, copy = LocalFolder(tmp_path / "dest"), LocalFolder(tmp_path / "copy")
    config = small(rounds=5, loss_threshold=100.0, surrogate={"steps_per_round": 1})
    assert len(fit(open_again(clean, dest, config))) == 1
    protect(open_again(clean, dest, config))
    replay = small(strategy="replay")
    protect(Protection(Places(clean, copy, protector=dest.below("protector")), replay, RUNTIME, seed=0))
    assert published(copy) == published(dest)


def test_what_another_config_left_half_done_is_put_away(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    other = open_again(clean, dest, small(rounds=3, surrogate={"steps_per_round": 1}))
    other.begin()
    other.fit.train_surrogate(0)
    other.fit.update_shard("00000", 0)
    protect(open_again(clean, dest))
    assert contents(dest) == contents(mem)


@pytest.mark.parametrize("method", ["noise-only", "trigger-only"])
def test_a_part_of_mem_is_the_same_from_its_files_and_from_its_protector(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, method: Method
) -> None:
    reused, replayed = LocalFolder(tmp_path / "reused"), LocalFolder(tmp_path / "replayed")
    protect(Protection(Places(clean, reused, reuse=mem), small(method=method), RUNTIME, seed=SEED))
    config = small(method=method, strategy="replay")
    protect(Protection(Places(clean, replayed, protector=mem.below("protector")), config, RUNTIME, seed=SEED))
    for shard in ("00000", "00001", "00002"):
        one, other, full = (samples_of(folder, shard) for folder in (reused, replayed, mem))
        assert [item.image for item in one] == [item.image for item in other]
        assert [item.captions for item in one] == [item.captions for item in other]
        same = "image" if method == "noise-only" else "captions"
        assert [getattr(item, same) for item in one] == [getattr(item, same) for item in full]
