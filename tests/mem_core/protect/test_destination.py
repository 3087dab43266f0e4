"""Whose destination it is: ours and new ones are taken, somebody else's is refused and stays as it is."""

from pathlib import Path

import pytest

from mem_core.common.errors import DestinationError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CorpusConfig
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.protect.destination import claim
from mem_core.protect.protection import Places, Protection
from mem_core.protect.remaining import OnMismatch, withdraw
from tests.support.corpora import RUNTIME, contents, protect, small, tiny_corpus

NOISE = small(method="random-noise")


def opened(tmp_path: Path, dest: LocalFolder, on_mismatch: OnMismatch = "fail") -> Protection:
    clean = LocalFolder(tmp_path / "clean")
    if not list(clean.names()):
        tiny_corpus(tmp_path / "clean", 3, 2)
    return Protection(Places(clean, dest), NOISE, RUNTIME, seed=3, on_mismatch=on_mismatch)


@pytest.mark.parametrize("on_mismatch", ["fail", "redo"])
@pytest.mark.parametrize(
    "theirs",
    [
        "00000.tar",
        "other.tar",
        "00001.parquet",
        "00007_stats.json",
        "manifest.json",
        "protector/notes.txt",
        "_state/notes.txt",
    ],
)
def test_somebody_elses_data_stay_as_they_are(tmp_path: Path, theirs: str, on_mismatch: OnMismatch) -> None:
    dest = LocalFolder(tmp_path / "dest")
    for name in ("README.md", "zz/_state/claim.txt", theirs):
        write_bytes(dest, name, b"years of work")
    before = contents(dest)
    with pytest.raises(DestinationError, match=f"holds somebody else's data: {theirs}"):
        opened(tmp_path, dest, on_mismatch).begin()
    assert contents(dest) == before


@pytest.mark.parametrize("on_mismatch", ["fail", "redo"])
def test_a_clean_corpus_is_never_written_over(tmp_path: Path, on_mismatch: OnMismatch) -> None:
    source = draw_corpus(tmp_path / "drawn", 4, 0, size=32, seed=3)
    dest = LocalFolder(tmp_path / "archive")
    shard_source(open_source(source), dest, CorpusConfig(samples_per_shard=2))
    before = contents(dest)
    with pytest.raises(DestinationError, match=r"holds a clean one \(shard 00000\)"):
        opened(tmp_path, dest.below("train"), on_mismatch).begin()
    assert contents(dest) == before


def test_a_run_that_was_killed_finds_its_destination_ours(tmp_path: Path) -> None:
    """At any moment: before the first write, with a tar and no receipt, without its manifest."""
    dest, whole = LocalFolder(tmp_path / "dest"), LocalFolder(tmp_path / "whole")
    write_bytes(dest, "README.md", b"about this corpus")
    protect(opened(tmp_path, whole))
    opened(tmp_path, dest).begin()
    assert set(contents(dest)) == {"README.md", "_state/claim.txt"}
    write_bytes(dest, "00001.tar", b"half of it")
    opened(tmp_path, dest).begin()
    protect(opened(tmp_path, dest))
    expected = contents(whole) | {"README.md": b"about this corpus"}
    assert contents(dest) == expected
    withdraw(dest, ["00000", "00001"])  # as when both are made again
    claim(dest, NOISE.method)
    assert opened(tmp_path, dest).plan().waiting == ("00000", "00001")
    protect(opened(tmp_path, dest))
    assert contents(dest) == expected


def test_an_empty_night_is_known_by_its_manifest(tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path / "dest")
    opened(tmp_path, dest).finish()
    assert list(dest.names()) == ["manifest.json"]
    claim(dest, NOISE.method)
    assert list(dest.names()) == ["manifest.json"]
