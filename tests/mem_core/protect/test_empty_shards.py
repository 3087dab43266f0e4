"""Shards without usable samples among others, as where all downloads failed, are finished without rows."""

from pathlib import Path

import pytest

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.data.shard import shard_bytes
from mem_core.data.table import SampleRow, read_rows
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, SEED, open_again, protect, sample, small, tiny_corpus
from tests.support.data_strategies import tar_of

SETTINGS = {
    "rounds": small(),
    "replay": small(strategy="replay"),
    "independent": small(strategy="independent"),
    "a codebook": small(method="codebook"),
    "uap": small(method="uap"),
    "nothing learned": small(method="random-noise"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_shard_without_samples_is_finished_without_rows(case: str, tmp_path: Path) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 6, 0, 4), LocalFolder(tmp_path / "dest")
    write_bytes(clean, "00003.tar", shard_bytes([sample("000030000", b"no image")]))
    places = Places(clean, dest)
    if case == "replay":
        protect(open_again(clean, LocalFolder(tmp_path / "fitted")))
        places = Places(clean, dest, protector=LocalFolder(tmp_path / "fitted" / "protector"))
    protect(Protection(places, SETTINGS[case], RUNTIME, seed=SEED))
    rows: dict[str, list[SampleRow]] = {name: read_rows(dest, name) for name in ("00000", "00001", "00002", "00003")}
    assert {name: [row.status for row in found] for name, found in rows.items()} == {
        "00000": ["protected"] * 6,
        "00001": [],
        "00002": ["protected"] * 4,
        "00003": ["failed"],
    }
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()


UNUSABLE = {
    "no captions": (
        [("s0.png", b"x"), ("s0.cls", b"1"), ("s1.png", b"x")],
        "2 samples failed, the first, s0, as .*caption",
    ),
    "dots": (
        [("a.1.png", b"x"), ("a.1.txt", b"one")],
        "1 sample failed, the first, a.1, as expected a key without dots",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_corpus_without_usable_samples_says_why(case: str, tmp_path: Path) -> None:
    members, why = UNUSABLE[case]
    clean = LocalFolder(tmp_path / "clean")
    write_bytes(clean, "00000.tar", tar_of(members))
    with pytest.raises(SourceError, match=f"at least 2 usable samples to fit on.*: {why}") as caught:
        protect(open_again(clean, LocalFolder(tmp_path / "dest")))
    assert caught.value.hint == ("shard the source" if case == "dots" else None)
