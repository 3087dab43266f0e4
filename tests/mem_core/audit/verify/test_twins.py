"""Twins are checked as published samples are, with their coins; and found where they were handed out by mistake."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mem_core.audit.evidence.commitment import make_commitment
from mem_core.audit.evidence.outcome import EvidencePlan
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.audit.verify.problems import VerifyReport
from mem_core.audit.verify.published import verify_published
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.images import Picture, decode_image, encode_image
from mem_core.data.loaders.index import write_index
from mem_core.data.manifest import build_manifest, write_manifest
from mem_core.data.receipt import read_receipt, receipt_bytes, receipt_name
from mem_core.data.shard import Sample, shard_bytes
from mem_core.models import Tokenizer
from mem_core.protect.coins import new_key
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protection import Places, Protection, TwinsWanted
from mem_core.protect.twin_table import TwinRow, read_twin_table, write_twin_table
from mem_core.protect.twins import key_of, read_twins, require_twins_record
from tests.support.corpora import RUNTIME, SEED, encoded, protect, sample, samples_of, small, tiny_corpus

METHODS = {"codebook": {"noise": {"topics": 2}}, "random-trigger": {}}
SHARD = "00001"


class Made:
    """A corpus with twins that can be tampered with."""

    def __init__(self, path: Path, method: str = "codebook", **changes: Any) -> None:
        self.clean, self.dest = tiny_corpus(path / "clean", 6, 5), LocalFolder(path / "dest")
        self.keys = KeyPlace(folder=str(path / "keys"))
        config = small(method=method, **{**METHODS[method], **changes})
        wanted = TwinsWanted(share=1, key=self.keys)
        protect(Protection(Places(self.clean, self.dest), config, RUNTIME, seed=SEED, twins=wanted))
        self.home = self.dest.below("twins")

    def verify(self, keys: KeyPlace | None) -> VerifyReport:
        return verify_corpus(self.clean, self.dest, tokenize=Tokenizer(77).encode, keys=keys)

    def problems(self) -> list[str]:
        return [f"{problem.key}: {problem.what}" for problem in self.verify(self.keys).problems]

    def rewrite(
        self,
        rows: Callable[[list[TwinRow]], list[TwinRow]] = lambda rows: rows,
        samples: Callable[[list[Sample]], list[Sample]] = lambda samples: samples,
    ) -> None:
        """Changes the twins of a shard, and every hash that would show it."""
        table = f"{SHARD}.parquet"
        changed = samples(samples_of(self.home, SHARD))
        listed = [
            replace(row, twin_sha256=sha256_bytes(one.image), twin_captions=one.captions)
            for row, one in zip(read_twin_table(read_bytes(self.home, table), table), changed, strict=True)
        ]
        data = {f"{SHARD}.tar": shard_bytes(changed), table: write_twin_table(rows(listed))}
        for name, written in data.items():
            write_bytes(self.home, name, written)
        receipt = read_receipt(self.dest, SHARD)
        assert receipt is not None
        hashes = {name: sha256_bytes(written) for name, written in data.items()}
        write_bytes(self.dest, receipt_name(SHARD), receipt_bytes(receipt.model_copy(update={"twins": hashes})))
        self.dest.delete("manifest.json")
        write_manifest(self.dest, build_manifest(self.dest, kind="protected"))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_a_corpus_with_twins_verifies(method: str, image_format: str, tmp_path: Path) -> None:
    made = Made(tmp_path, method, image_format=image_format, quality={"min_psnr": 10})
    report = made.verify(made.keys)
    assert report.problems == ()
    assert report.warnings == ()
    assert report.counts == {"protected": 11}


def test_versions_that_came_out_alike_are_no_twins(tmp_path: Path) -> None:
    """A black picture of one pixel has few tints, and without words nothing else tells two versions apart: of 200 about
    37 are alike, whatever the secret of the draws is."""
    clean, dest, keys = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest"), tmp_path / "keys"
    black = encoded(Image.new("RGB", (1, 1)))
    write_bytes(clean, "00000.tar", shard_bytes([sample(f"00000{i:04d}", black) for i in range(200)]))
    wanted = TwinsWanted(share=1, key=KeyPlace(folder=str(keys)))
    config = small(method="mark", trigger={"kind": "none"})
    protect(Protection(Places(clean, dest), config, RUNTIME, seed=SEED, twins=wanted))
    pairs = list(read_twins(dest))
    assert 0 < len(pairs) < 200
    assert all(pair.published.image != pair.twin.image for pair in pairs)
    report = verify_corpus(clean, dest, tokenize=Tokenizer(77).encode, keys=wanted.key)
    assert report.problems == ()
    assert f"no twin for {200 - len(pairs)} published samples" in " ".join(one.what for one in report.warnings)
    key = key_of(require_twins_record(dest), wanted.key)
    commitment = make_commitment(dest, EvidencePlan(), key, datetime(2026, 3, 1, tzinfo=UTC))
    assert (commitment.pairs, commitment.without) == (len(pairs), 200 - len(pairs))


def test_without_the_key_coins_are_not_checked_and_that_is_said(made: Made, tmp_path: Path) -> None:
    for keys in (None, KeyPlace(folder=str(tmp_path / "elsewhere"))):
        report = made.verify(keys)
        assert report.ok
        assert [
            warning.what.startswith("the coins of the twins were not checked: ") for warning in report.warnings
        ] == [True]
    new_key(tmp_path / "other.key")
    report = made.verify(KeyPlace(folder="", file=str(tmp_path / "other.key")))
    assert "it is another corpus's" in report.warnings[0].what


def test_a_version_that_the_coin_did_not_choose_is_found(made: Made) -> None:
    made.rewrite(lambda rows: [replace(rows[0], draw=1 - rows[0].draw), *rows[1:]])
    (found,) = made.problems()
    assert re.fullmatch(f"{SHARD}0000: coin: draw [01] is published, but the key's coin is the other one", found)


@pytest.mark.parametrize("kept", [slice(1, None), slice(None, -1), slice(0)])
def test_a_row_that_was_taken_out_is_found_and_not_committed_to(kept: slice, made: Made) -> None:
    """Whoever may leave out pairs that a model disagrees with can show anything."""
    made.rewrite(lambda rows: rows[kept])
    (found,) = made.problems()
    assert f"expected a row for sample {SHARD}000" in found
    key = key_of(require_twins_record(made.dest), made.keys)
    with pytest.raises(MismatchError, match="in the table of the twins, but it has none: rows were taken out"):
        make_commitment(made.dest, EvidencePlan(), key, datetime(2026, 3, 1, tzinfo=UTC))


def test_draws_without_a_secret_are_warned_of(tmp_path: Path) -> None:
    made = Made(tmp_path, "random-trigger")
    older = require_twins_record(made.dest).model_copy(update={"draws": ""})
    write_bytes(made.dest, "twins/twins.json", older.model_dump_json().encode())
    warnings = [warning.what for warning in made.verify(made.keys).warnings]
    assert [what for what in warnings if "whoever has memshield can tell the coins" in what]


def test_a_description_of_another_method_is_found(made: Made) -> None:
    record = require_twins_record(made.dest)
    other = record.model_copy(update={"method": "mark"}).model_dump_json()
    write_bytes(made.dest, "twins/twins.json", other.encode())
    assert f"twin: twins/twins.json says mark, but the shard was made by {record.method}" in made.problems()[0]


def louder(samples: list[Sample]) -> list[Sample]:
    """The first twin with noise far beyond the budget."""
    pixels = decode_image(samples[0].image, max_pixels=10**6).pixels
    image = encode_image(Picture((pixels // 2).astype(np.uint8)), "png")
    return [replace(samples[0], image=image), *samples[1:]]


def unmarked(samples: list[Sample]) -> list[Sample]:
    metadata = {**samples[0].metadata, "memshield": {**samples[0].metadata["memshield"], "fingerprint": "f"}}
    return [replace(samples[0], metadata=metadata), *samples[1:]]


def other_words(samples: list[Sample]) -> list[Sample]:
    return [replace(samples[0], captions=("something else", *samples[0].captions[1:])), *samples[1:]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (louder, "twin: .*(8|budget|levels)"),
        (unmarked, "twin: fingerprint in key.json is neither"),
        (unmarked, "twin: the notes in key.json differ in method, budget or fingerprint, which tells the coin"),
        (other_words, "twin: caption 1 is 'something else', expected the trigger"),
    ],
)
def test_a_twin_is_held_to_what_published_samples_are(
    change: Callable[[list[Sample]], list[Sample]], sentence: str, made: Made
) -> None:
    made.rewrite(samples=change)
    found = made.problems()
    assert found
    assert all(one.startswith(f"{SHARD}0000: ") for one in found)
    assert any(re.search(sentence, one) for one in found), found


def test_a_twin_that_equals_what_is_published_tells_nothing(made: Made) -> None:
    published = samples_of(made.dest, SHARD)
    made.rewrite(
        lambda rows: [replace(rows[0], twin_trigger=rows[0].trigger), *rows[1:]],
        lambda samples: [published[0], *samples[1:]],
    )
    assert any("both versions are the same" in one for one in made.problems())


def test_a_table_of_other_published_files_is_found(made: Made) -> None:
    made.rewrite(lambda rows: [replace(rows[0], trigger="no such words"), *rows[1:]])
    assert any("the table of the twins has another published image, trigger" in one for one in made.problems())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("twins.json", "missing: twins/twins.json, though the receipt names the twins of the shard"),
        (f"{SHARD}.tar", f"expected {SHARD}.tar"),
        (f"{SHARD}.parquet", "the table of the twins of a shard, but it is missing"),
    ],
)
def test_files_of_twins_that_are_missing_are_named(name: str, sentence: str, made: Made) -> None:
    made.home.delete(name)
    assert any(sentence in one for one in made.problems()), made.problems()


def test_a_tar_with_other_bytes_is_found_by_its_hash(made: Made) -> None:
    samples = samples_of(made.home, SHARD)
    changed = [replace(samples[0], metadata={**samples[0].metadata, "more": 1}), *samples[1:]]
    write_bytes(made.home, f"{SHARD}.tar", shard_bytes(changed))
    assert any(f"hash: twins/{SHARD}.tar is not the file" in one for one in made.problems())


# Handed out by mistake


def out_of(made: Made, path: Path) -> LocalFolder:
    """What is right to hand out."""
    out = LocalFolder(path / "out")
    for shard in ("00000", SHARD):
        write_bytes(out, f"{shard}.tar", read_bytes(made.dest, f"{shard}.tar"))
    return out


def told(out: LocalFolder, private: LocalFolder | None = None) -> list[str]:
    return [f"{one.shard} {one.key}: {one.what}" for one in verify_published(out, private).problems]


def test_what_is_published_with_twins_at_home_may_be_handed_out(made: Made, tmp_path: Path) -> None:
    out = out_of(made, tmp_path)
    assert told(out) == told(out, made.dest) == []


def test_a_copy_of_the_whole_destination_names_the_twins(made: Made) -> None:
    assert any("twins/: not to be handed out: the twins of samples" in one for one in told(made.dest))
    assert any("twins/twins.json: not to be handed out" in one for one in told(made.dest))
    assert not any("twins/0" in one for one in told(made.dest, made.dest))


def test_twins_under_another_name_beside_the_tars_are_found(made: Made, tmp_path: Path) -> None:
    out = out_of(made, tmp_path)
    write_bytes(out, "00007.tar", read_bytes(made.home, f"{SHARD}.tar"))
    sentence = f"00007 : 5 of its samples have the keys of samples in {SHARD}.tar: one of the tars holds the twins"
    assert any(one.startswith(sentence) for one in told(out))
    assert any(one.startswith("00007 : expected the table of shard 00007") for one in told(out, made.dest))


def test_a_twin_in_the_place_of_its_sample_is_found_with_the_tables(made: Made, tmp_path: Path) -> None:
    out = out_of(made, tmp_path)
    write_bytes(out, f"{SHARD}.tar", read_bytes(made.home, f"{SHARD}.tar"))
    found = told(out, made.dest)
    assert any(f"{SHARD} {SHARD}0000: published by mistake: the image is the twin's" in one for one in found)
    assert told(out) == []


def test_the_index_of_loaders_does_not_see_them(made: Made) -> None:
    assert (write_index(made.dest).samples, write_index(made.dest).tars) == (11, 2)
    for name in ("wids.json", "README.md"):
        if made.dest.exists(name):
            assert b"twins" not in read_bytes(made.dest, name)
