"""Is this shard finished? Planning, publishing, nights, status, verify and certificates all give the same answer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mem_core.audit.certificate.certificate import require_all_files
from mem_core.audit.verify.record import verify
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.data.finished_shard import OTHER_INPUT, OTHER_SETTINGS
from mem_core.data.receipt import has_receipt
from mem_core.experiments.status import read_status
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, contents, plain_shard, protect, small, tiny_corpus

CONFIG = small(method="random-noise")
SHARD = "00000"


@pytest.fixture
def clean(tmp_path: Path) -> LocalFolder:
    return tiny_corpus(tmp_path / "clean", 4, 4)


@pytest.fixture
def dest(clean: LocalFolder, tmp_path: Path) -> LocalFolder:
    folder = LocalFolder(tmp_path / "dest")
    protect(Protection(Places(clean, folder), CONFIG, RUNTIME, seed=1))
    return folder


def cut_tar(clean: LocalFolder, dest: LocalFolder) -> ProtectConfig:
    write_bytes(dest, f"{SHARD}.tar", read_bytes(dest, f"{SHARD}.tar")[:-512])
    return CONFIG


def lost_table(clean: LocalFolder, dest: LocalFolder) -> ProtectConfig:
    dest.delete(f"{SHARD}.parquet")
    return CONFIG


def replaced_input(clean: LocalFolder, dest: LocalFolder) -> ProtectConfig:
    write_bytes(clean, f"{SHARD}.tar", plain_shard("00007", 4))
    return CONFIG


def other_settings(clean: LocalFolder, dest: LocalFolder) -> ProtectConfig:
    return small(method="random-noise", noise={"epsilon": "4/255"})


def protection(clean: LocalFolder, dest: LocalFolder, config: ProtectConfig = CONFIG, **more: object) -> Protection:
    return Protection(Places(clean, dest), config, RUNTIME, seed=1, **more)  # type: ignore[arg-type]


def test_a_whole_shard_is_finished_for_all(clean: LocalFolder, dest: LocalFolder) -> None:
    plan = protection(clean, dest).plan()
    assert (plan.waiting, plan.finished, plan.differing) == ((), 2, {})
    assert protection(clean, dest).publish(SHARD).repeated
    assert verify(clean, dest).ok
    require_all_files(dest)
    (corpus,) = read_status(dest, clean, LocalFolder).corpora
    assert (corpus.done, corpus.pending, corpus.finished) == (2, 0, True)


def test_a_shard_without_receipt_is_unfinished_for_all(clean: LocalFolder, dest: LocalFolder) -> None:
    before = contents(dest)
    dest.delete(f"{SHARD}.receipt.json")
    plan = protection(clean, dest).plan()
    assert (plan.waiting, plan.finished, plan.differing) == ((SHARD,), 1, {})
    assert not has_receipt(dest, SHARD)
    assert "missing" in verify(clean, dest).problems[0].what
    (corpus,) = read_status(dest, clean, LocalFolder).corpora
    assert (corpus.done, corpus.pending) == (1, 1)
    assert not protection(clean, dest).publish(SHARD).repeated
    protection(clean, dest).finish()
    assert contents(dest) == before


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (cut_tar, f"{SHARD}.tar has"),
        (lost_table, f"{SHARD}.parquet is missing"),
        (replaced_input, OTHER_INPUT),
        (other_settings, OTHER_SETTINGS),
    ],
)
def test_what_is_not_as_the_receipt_says_differs_for_all(
    clean: LocalFolder,
    dest: LocalFolder,
    damage: Callable[[LocalFolder, LocalFolder], ProtectConfig],
    what: str,
) -> None:
    config = damage(clean, dest)
    with pytest.raises(MismatchError, match=SHARD) as told:
        protection(clean, dest, config).publish(SHARD)
    assert what in str(told.value)
    seen_in_listings = (
        damage is not replaced_input
    )  # no manifest vouches for these clean tars, and the size is the same
    if seen_in_listings:
        with pytest.raises(MismatchError, match=SHARD) as told:
            protection(clean, dest, config).plan()
        assert what in str(told.value)
        again = protection(clean, dest, config, on_mismatch="redo").plan()
        assert SHARD in again.waiting
        assert what in again.differing[SHARD]
    if damage is not other_settings:  # which are for whoever asks to name: the corpus itself is right
        assert not verify(clean, dest).ok
    if damage in (cut_tar, lost_table):
        with pytest.raises(MismatchError, match=SHARD):
            require_all_files(dest)
        (corpus,) = read_status(dest, clean, LocalFolder).corpora
        assert (corpus.done, corpus.pending) == (1, 1)
