"""Finished shards that do not hold: refused with a sentence, or made again, as asked."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.data.receipt import read_receipt, receipt_name
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from mem_core.protect.remaining import OnMismatch
from tests.support.corpora import RUNTIME, contents, fit, plain_shard, protect, published, small, tiny_corpus

SEED = 3
NOISE = small(method="random-noise")


def opened(
    clean: LocalFolder, dest: LocalFolder, config: ProtectConfig = NOISE, on_mismatch: OnMismatch = "fail"
) -> Protection:
    return Protection(Places(clean, dest), config, RUNTIME, seed=SEED, on_mismatch=on_mismatch)


@pytest.fixture
def clean(tmp_path: Path) -> LocalFolder:
    return tiny_corpus(tmp_path / "clean", 5, 4, 3)


@pytest.fixture
def dest(clean: LocalFolder, tmp_path: Path) -> LocalFolder:
    folder = LocalFolder(tmp_path / "dest")
    protect(opened(clean, folder))
    return folder


def cut(folder: LocalFolder, name: str) -> None:
    write_bytes(folder, name, read_bytes(folder, name)[:-9])


DAMAGES: dict[str, tuple[Callable[[LocalFolder], None], str]] = {
    "lost tar": (lambda f: f.delete("00001.tar"), r"00001\.tar is missing"),
    "lost table": (lambda f: f.delete("00001.parquet"), r"00001\.parquet is missing"),
    "lost statistics": (lambda f: f.delete("00001_stats.json"), r"00001_stats\.json is missing"),
    "cut tar": (lambda f: cut(f, "00001.tar"), r"00001\.tar has \d+ bytes instead of \d+"),
    "empty table": (lambda f: write_bytes(f, "00001.parquet", b""), r"00001\.parquet has 0 bytes"),
    "garbage receipt": (lambda f: write_bytes(f, receipt_name("00001"), b"?"), r"00001\.receipt\.json"),
    "cut receipt": (lambda f: cut(f, receipt_name("00001")), r"00001\.receipt\.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("through", ["plan", "publish"])
def test_damaged_outputs_are_refused_or_made_again(
    clean: LocalFolder, dest: LocalFolder, damage: str, through: str
) -> None:
    whole = contents(dest)
    harm, said = DAMAGES[damage]
    harm(dest)
    harmed = contents(dest)
    refusing = opened(clean, dest)
    with pytest.raises(MismatchError, match=said) as caught:
        refusing.plan() if through == "plan" else refusing.publish("00001")
    assert "\n" not in str(caught.value)
    assert contents(dest) == harmed
    again = opened(clean, dest, on_mismatch="redo")
    assert again.plan().waiting == ("00001",)
    assert [summary.repeated for summary in protect(again)] == [True, False, True]
    assert contents(dest) == whole


@pytest.mark.parametrize("change", ["settings", "seed", "input", "input of the same size"])
def test_other_settings_and_inputs_are_refused_or_made_again(
    clean: LocalFolder, dest: LocalFolder, tmp_path: Path, change: str
) -> None:
    before = contents(dest)
    config, seed = small(method="random-noise", noise={"epsilon": "4/255"}) if change == "settings" else NOISE, SEED
    if change == "seed":
        seed += 1
    if change == "input":
        write_bytes(clean, "00001.tar", plain_shard("00001", 3))
    if change == "input of the same size":
        write_bytes(clean, "00001.tar", read_bytes(clean, "00001.tar").replace(b" thing ", b" THING "))
    with pytest.raises(MismatchError, match=r"expected shard 0000\d .* with these settings, but (it was|the clean)"):
        protect(Protection(Places(clean, dest), config, RUNTIME, seed=seed))
    assert contents(dest) == before
    protect(Protection(Places(clean, dest), config, RUNTIME, seed=seed, on_mismatch="redo"))
    fresh = LocalFolder(tmp_path / "fresh")
    protect(Protection(Places(clean, fresh), config, RUNTIME, seed=seed))
    assert contents(dest) == contents(fresh)


def test_a_fit_of_other_settings_is_refused_or_made_again(clean: LocalFolder, tmp_path: Path) -> None:
    dest, fresh = LocalFolder(tmp_path / "fitted"), LocalFolder(tmp_path / "fresh")
    quick = small(rounds=1, surrogate={"steps_per_round": 1}, noise={"num_steps": 1})
    other = small(rounds=1, surrogate={"steps_per_round": 2}, noise={"num_steps": 1})
    protect(opened(clean, dest, quick))
    before = contents(dest)
    with pytest.raises(MismatchError, match="choose another destination"):
        protect(opened(clean, dest, other))
    assert contents(dest) == before
    protect(opened(clean, dest, other, "redo"))
    protect(opened(clean, fresh, other))
    assert contents(dest) == contents(fresh)
    write_bytes(dest, "protector/protector.json", b"garbage")
    with pytest.raises(MismatchError, match="protector"):
        opened(clean, dest, other).begin()
    protect(opened(clean, dest, other, "redo"))
    assert contents(dest) == contents(fresh)


def test_a_redo_that_is_cut_off_is_not_taken_for_finished(clean: LocalFolder, dest: LocalFolder) -> None:
    """Another config redoes one shard and dies; the first config must see it, whatever the manifest said."""
    whole = contents(dest)
    other = opened(clean, dest, small(method="random-noise", noise={"epsilon": "4/255"}), "redo")
    other.publish("00001")
    with pytest.raises(MismatchError, match="shard 00001"):
        opened(clean, dest).plan()
    plan = opened(clean, dest, on_mismatch="redo").plan()
    assert (plan.waiting, plan.finished) == (("00001",), 2)
    protect(opened(clean, dest, on_mismatch="redo"))
    assert contents(dest) == whole


def test_two_runs_at_once_both_end_well(clean: LocalFolder, tmp_path: Path) -> None:
    """Each from its own object, as in two processes, step by step at the same time."""
    dest, alone = LocalFolder(tmp_path / "both"), LocalFolder(tmp_path / "alone")
    config = small(surrogate={"steps_per_round": 1}, noise={"num_steps": 1})
    errors: list[BaseException] = []
    opened(clean, dest, config).begin()

    def run() -> None:
        try:
            protect(opened(clean, dest, config))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    protect(opened(clean, alone, config))
    assert published(dest) == published(alone)
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()


def steps_of(protection: Protection) -> list[Callable[[], object]]:
    """Every step of the rounds, in order."""
    steps: list[Callable[[], object]] = []
    for number in range(protection.config.rounds):
        steps.append(partial(protection.fit.train_surrogate, number))
        steps += [partial(protection.fit.update_shard, shard, number) for shard in protection.shards]
    return steps


def test_a_run_that_was_overtaken_ends_well(clean: LocalFolder, tmp_path: Path) -> None:
    """Another run of the same settings finishes, and cleans up, while this one is between two of its steps."""
    config = small(surrogate={"steps_per_round": 1}, noise={"num_steps": 1})
    alone = LocalFolder(tmp_path / "alone")
    protect(opened(clean, alone, config))
    for steps in range(6):
        dest = LocalFolder(tmp_path / f"after-{steps}")
        slow = opened(clean, dest, config)
        slow.begin()
        todo = steps_of(slow)
        for step in todo[: steps + 1]:
            step()
        protect(opened(clean, dest, config))
        for step in todo[steps + 1 :]:
            step()
        slow.fit.finish([0.0] * config.rounds)
        assert all(slow.publish(shard).repeated for shard in slow.shards)
        slow.finish()
        assert contents(dest) == contents(alone)


def test_two_runs_of_different_settings_never_leave_a_receipt_for_bytes_of_the_other(
    clean: LocalFolder, tmp_path: Path
) -> None:
    """Both write the shard before either writes its receipt: the second to do so finds the first's and stops."""
    dest = LocalFolder(tmp_path / "both")
    other = small(method="random-noise", noise={"epsilon": "4/255"})
    opened(clean, dest).begin()

    class Overtaken(LocalFolder):
        def write(self, name: str, *, only_if_absent: bool = False):  # type: ignore[no-untyped-def]  # noqa: ANN202
            if name == receipt_name("00000"):
                tar = read_bytes(dest, "00000.tar")
                opened(clean, dest, other).publish("00000")
                write_bytes(dest, "00000.tar", tar)  # ours came later than theirs
            return super().write(name, only_if_absent=only_if_absent)

    with pytest.raises(MismatchError, match="of another run"):
        opened(clean, Overtaken(dest.path)).publish("00000")
    assert read_receipt(dest, "00000") is None
    protect(opened(clean, dest))
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()


def test_a_second_run_plans_nothing_and_reads_no_receipt(clean: LocalFolder, dest: LocalFolder) -> None:
    plan = opened(clean, dest).plan()
    assert (plan.waiting, plan.finished, plan.receipts_read, plan.counts) == ((), 3, 0, {"protected": 12})


def test_new_shards_wait_and_old_ones_do_not(clean: LocalFolder, dest: LocalFolder) -> None:
    """Also those that a killed run finished after the last manifest."""
    write_bytes(clean, "00003.tar", plain_shard("00003", 2))
    write_bytes(clean, "00004.tar", plain_shard("00004", 2))
    opened(clean, dest).publish("00003")
    plan = opened(clean, dest).plan()
    assert (plan.waiting, plan.finished, plan.receipts_read) == (("00004",), 4, 1)


def test_a_receipt_deleted_by_hand_is_seen_by_the_manifest(clean: LocalFolder, dest: LocalFolder) -> None:
    dest.delete(receipt_name("00001"))
    assert opened(clean, dest).plan().waiting == ("00001",)
    assert not dest.exists("manifest.json")
    assert opened(clean, dest).plan().receipts_read == 2


def test_a_damaged_manifest_vouches_for_nothing(clean: LocalFolder, dest: LocalFolder) -> None:
    whole = contents(dest)
    write_bytes(dest, "manifest.json", b"garbage")
    plan = opened(clean, dest).plan()
    assert (plan.waiting, plan.finished, plan.receipts_read) == ((), 3, 3)
    opened(clean, dest).finish()
    assert contents(dest) == whole


def test_a_fitted_corpus_is_planned_from_its_protector(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path / "fitted")
    config = small(rounds=1, surrogate={"steps_per_round": 1}, noise={"num_steps": 1})
    one = opened(clean, dest, config)
    fit(one)
    assert one.plan().waiting == ("00000", "00001", "00002")
    one.publish("00001")
    assert one.plan().waiting == ("00000", "00002")
