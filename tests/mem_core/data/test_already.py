"""What carries our note, or whose receipt says so, is protected already: refused, or taken on request."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import CorpusConfig, ProtectConfig
from mem_core.data.already import require_clean
from mem_core.data.readers import open_source
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.table import SampleRow, read_rows
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, protect, sample, samples_of, small, tiny_corpus

SHARD = "00000"
ACCEPT = CorpusConfig(protected="accept", validation=0)


@pytest.fixture
def published(tmp_path: Path) -> LocalFolder:
    """A protected corpus of three samples, with the note in key.json and in the file."""
    return made(tmp_path / "published", "file")


def made(path: Path, note: str) -> LocalFolder:
    dest = LocalFolder(path / "protected")
    config = small(method="random-noise", metadata={"note": note})
    protect(Protection(Places(tiny_corpus(path / "clean", 3), dest), config, RUNTIME, seed=1))
    return dest


def tar_of(path: Path, *samples: Sample) -> LocalFolder:
    folder = LocalFolder(path)
    write_bytes(folder, f"{SHARD}.tar", shard_bytes(list(samples)))
    return folder


def sharded(source: LocalFolder, dest: Path, config: CorpusConfig = CorpusConfig(validation=0)) -> list[SampleRow]:
    shard_source(open_source(source, config=config), LocalFolder(dest), config)
    return read_rows(LocalFolder(dest / "train"), SHARD)


def mixed(path: Path, published: LocalFolder) -> LocalFolder:
    """A protected sample by each sign alone, and clean ones."""
    noted, bare, third = samples_of(published, SHARD)
    by_file = replace(noted, key="file", metadata={})
    by_json = replace(bare, key="json", image=sample("000000777").image)
    passed = replace(third, key="passed", image=sample("000000778").image, metadata={"memshield": {"method": "none"}})
    new = [sample(f"new{i:04d}", None, f"a {word} by the sea") for i, word in enumerate(("boat", "dog", "dog", "boat"))]
    return tar_of(path, *new, by_file, by_json, passed)


def test_a_sample_with_our_note_is_a_failed_row_of_its_own_code(tmp_path: Path, published: LocalFolder) -> None:
    source = mixed(tmp_path / "source", published)
    rows = {row.name.rpartition("/")[2]: row for row in sharded(source, tmp_path / "dest")}
    assert {name: (row.status, row.code) for name, row in rows.items()} == {
        **{f"new{i:04d}": ("clean", "") for i in range(4)},
        "file": ("failed", "protected-already"),
        "json": ("failed", "protected-already"),
        "passed": ("clean", ""),
    }
    assert "its file carries memshield's note" in rows["file"].reason
    assert "memshield protected it with random-noise" in rows["json"].reason
    taken = sharded(source, tmp_path / "accepted", ACCEPT)
    assert {row.status for row in taken} == {"clean"}


def test_a_source_of_nothing_else_is_refused_with_one_sentence(tmp_path: Path, published: LocalFolder) -> None:
    tars = tar_of(tmp_path / "tars", *samples_of(published, SHARD))
    with pytest.raises(SourceError, match="all 3 failed, the first: .* memshield protected it with random-noise"):
        sharded(tars, tmp_path / "dest")
    with pytest.raises(SourceError, match="all samples looked at are protected"):
        require_clean(tars, [SHARD])
    require_clean(tiny_corpus(tmp_path / "new", 2), [SHARD])


def test_image_files_taken_out_of_a_corpus_are_known_by_their_note(tmp_path: Path, published: LocalFolder) -> None:
    folder, table = LocalFolder(tmp_path / "files"), io.StringIO()
    rows = csv.writer(table)
    rows.writerow(("image", "caption"))
    for one in (*samples_of(published, SHARD), sample("000000009")):
        write_bytes(folder, f"{one.key}.png", one.image)
        rows.writerow((f"{one.key}.png", one.captions[0]))
    write_bytes(folder, "captions.csv", table.getvalue().encode())
    found = sharded(folder, tmp_path / "dest")
    assert [row.code for row in found] == ["protected-already"] * 3 + [""]


def test_with_the_note_off_the_receipt_beside_a_tar_tells_and_nothing_else(tmp_path: Path) -> None:
    silent = made(tmp_path, "off")
    whole, alone = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "alone")
    for name in (f"{SHARD}.tar", f"{SHARD}.receipt.json"):
        write_bytes(whole, name, read_bytes(silent, name))
    write_bytes(alone, f"{SHARD}.tar", read_bytes(silent, f"{SHARD}.tar"))
    with pytest.raises(SourceError, match=r"the receipt of 00000\.tar says that it was protected with random-noise"):
        sharded(whole, tmp_path / "refused")
    assert {row.status for row in sharded(whole, tmp_path / "accepted", ACCEPT)} == {"clean"}
    assert {row.status for row in sharded(alone, tmp_path / "untold")} == {"clean"}


@pytest.mark.parametrize("method", ["random-noise", "codebook"])
@pytest.mark.parametrize("on_error", ["skip", "passthrough"])
def test_protecting_tars_with_protected_samples_makes_failed_rows_of_them(
    tmp_path: Path, published: LocalFolder, method: str, on_error: str
) -> None:
    clean, dest = mixed(tmp_path / "source", published), LocalFolder(tmp_path / "dest")
    changes = {"method": method, "on_error": on_error, "noise": {"topics": 2}}
    protect(Protection(Places(clean, dest), small(**changes), RUNTIME, seed=1))
    assert {row.key: (row.status, row.code) for row in read_rows(dest, SHARD)} == {
        **{f"new{i:04d}": ("protected", "") for i in range(4)},
        "file": ("failed", "protected-already"),
        "json": ("failed", "protected-already"),
        "passed": ("protected", ""),
    }
    assert verify_corpus(clean, dest, tokenize=Tokenizer(77).encode).ok
    insisted = LocalFolder(tmp_path / "insisted")
    protect(Protection(Places(clean, insisted), small(**changes, protected="accept"), RUNTIME, seed=1))
    assert {row.status for row in read_rows(insisted, SHARD)} == {"protected"}
    assert verify_corpus(clean, insisted, tokenize=Tokenizer(77).encode).ok


def test_settings_that_do_not_name_the_choice_are_those_of_older_versions() -> None:
    assert "protected" not in ProtectConfig().model_dump(mode="json")
    assert ProtectConfig(protected="accept").model_dump(mode="json")["protected"] == "accept"
    assert "protected" not in CorpusConfig().made_with()
    assert ACCEPT.made_with()["protected"] == "accept"
