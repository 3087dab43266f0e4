"""What was protected verifies; what was changed, cut or lost behind the receipts is named."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.audit.verify.corpus import verify_corpus, verify_shard
from mem_core.audit.verify.problems import VerifyReport
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config.methods import METHODS
from mem_core.data.images import Picture, encode_image
from mem_core.data.manifest import MANIFEST_NAME
from mem_core.data.shard import read_shard, shard_bytes
from mem_core.data.table import SampleRow, read_table, write_table
from tests.support.data_strategies import photo, tar_of
from tests.support.verify_making import SHARDS, Corpus, Shard, make_shard, noisy_photo, tokenize, told


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_was_protected_truly_verifies(tmp_path: Path, method: str) -> None:
    seen: list[tuple[int, int]] = []
    corpus = Corpus(tmp_path, method=method)
    report = verify_corpus(
        corpus.clean,
        corpus.protected,
        tokenize=tokenize,
        progress=lambda done, total, detail="": seen.append((done, total)),
    )
    assert report.problems == ()
    assert report.ok
    assert report.shards == 2
    assert report.counts == {"protected": 6, "failed": 2}
    assert seen == [(1, 2), (2, 2)]


def test_corpora_of_versions_that_told_the_trigger_verify(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, lambda shard: told(shard))
    assert corpus.shards[0].samples[0].metadata["memshield"]["trigger"] == "zap0 zip0 zop0"
    assert corpus.verify().ok


@pytest.mark.parametrize("name", ["00000.tar", "00000.parquet", "00000_stats.json"])
def test_files_changed_behind_the_receipt(tmp_path: Path, name: str) -> None:
    corpus = Corpus(tmp_path)
    shard = corpus.shards[0]
    shard.rows[0] = replace(shard.rows[0], psnr=99.0)
    shard.samples[0] = replace(shard.samples[0], image=encode_image(Picture(noisy_photo(0, 7)), "png"))
    other = {
        "00000.tar": shard_bytes(shard.samples),
        "00000.parquet": write_table(shard.rows),
        "00000_stats.json": b"{ }",
    }
    write_bytes(corpus.protected, name, other[name])
    assert any(problem.what.startswith(f"hash: {name} has") for problem in corpus.verify().problems)


def test_a_problem_has_its_picture_by_name_beside_its_text(tmp_path: Path) -> None:
    def tamper(shard: Shard) -> None:
        shard.rows[0] = replace(shard.rows[0], name="trip/a.jpg", max_abs_difference=5)

    found = Corpus(tmp_path, tamper).verify().problems
    assert {(one.key, one.name) for one in found} == {("000000000", "trip/a.jpg")}
    assert "trip" not in "".join(map(str, found))  # which a certificate shows to others


@pytest.mark.parametrize("name", ["00000.tar", "00000.parquet", "00000_stats.json", "00000.receipt.json"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    corpus = Corpus(tmp_path)
    corpus.protected.delete(name)
    report = corpus.verify()
    assert any(problem.shard == "00000" and problem.what.startswith("missing") for problem in report.problems)


def test_missing_and_extra_shards(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.protected.delete("00001.tar")
    write_bytes(corpus.protected, "00002.tar", b"")
    said = {(problem.shard, problem.what.split(":")[0]) for problem in corpus.verify().problems}
    assert {("00001", "missing"), ("00002", "extra")} <= said


def test_edited_receipt(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    values = json.loads(read_bytes(corpus.protected, "00000.receipt.json")) | {"epsilon_levels": 64}
    write_bytes(corpus.protected, "00000.receipt.json", json.dumps(values).encode())
    assert any("edited" in problem.what for problem in corpus.verify().problems)


def test_a_receipt_written_anew_is_not_the_one_of_the_manifest(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.shards[0].receipt["code_version"] = "2"
    corpus.shards[0].store(corpus.clean, corpus.protected)
    assert corpus.only_problem() == ("00000", "", "hash: the receipt is not the one the manifest lists")


def test_edited_manifest(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    values = json.loads(read_bytes(corpus.protected, MANIFEST_NAME)) | {"kind": "clean"}
    write_bytes(corpus.protected, MANIFEST_NAME, json.dumps(values).encode())
    assert "edited" in corpus.only_problem()[2]


def test_shards_that_the_manifest_does_not_list(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    third = make_shard("00002")
    third.store(corpus.clean, corpus.protected)
    assert corpus.only_problem() == ("00002", "", "the shard is in the folder, but not in the manifest")


@pytest.mark.parametrize("side", ["clean", "protected"])
@pytest.mark.parametrize("keep", [0, 700, 3000])
def test_tars_cut_short(tmp_path: Path, side: str, keep: int) -> None:
    corpus = Corpus(tmp_path)
    folder = corpus.clean if side == "clean" else corpus.protected
    write_bytes(folder, "00000.tar", read_bytes(folder, "00000.tar")[:keep])
    report = corpus.verify()
    assert any(f"00000 ({side})" in problem.what for problem in report.problems)


@pytest.mark.parametrize("name", ["00000.tar", "00000.parquet", "00000.receipt.json", MANIFEST_NAME])
def test_garbage_in_any_file_is_a_problem_and_no_crash(tmp_path: Path, name: str) -> None:
    corpus = Corpus(tmp_path)
    write_bytes(corpus.protected, name, b"\x80\x04garbage" * 100)
    assert not corpus.verify().ok


@settings(max_examples=60)
@given(st.data())
def test_no_changed_byte_goes_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    corpus = Corpus(tmp_path_factory.mktemp("corpus"))
    name = data.draw(st.sampled_from(sorted(corpus.protected.names())))
    whole = bytearray(read_bytes(corpus.protected, name))
    place, flip = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    whole[place] ^= flip
    write_bytes(corpus.protected, name, bytes(whole))
    if not corpus.verify().ok:
        return
    # JSON may be spelled otherwise and still say the same: only there may a byte differ
    assert name.endswith(".json")
    assert not name.endswith("_stats.json")


def test_images_without_noise_are_a_warning_and_a_shard_of_them_a_problem(tmp_path: Path) -> None:
    def without_noise(count: int) -> Callable[[Shard], None]:
        return lambda shard: [shard.publish(i, photo(i)) for i in range(count)] and None

    one = Corpus(tmp_path / "one", without_noise(1)).verify()
    assert one.ok
    assert [(found.key, found.what) for found in one.warnings] == [
        ("000000000", "the image is the clean one, though the method adds noise")
    ]
    problem = Corpus(tmp_path / "all", without_noise(3)).only_problem()
    assert problem == (SHARDS[0], "", "every image is the clean one, though the method adds noise")


def test_passthrough_is_a_warning(tmp_path: Path) -> None:
    def pass_through(shard: Shard) -> None:
        clean = shard.clean[1]
        shard.samples[1] = clean
        digest = sha256_bytes(clean.image)
        shard.rows[1] = SampleRow(clean.key, "passthrough", "too large", digest, digest, caption=clean.captions[0])

    report = Corpus(tmp_path, pass_through).verify()
    assert report.ok
    assert report.counts == {"protected": 5, "failed": 2, "passthrough": 1}
    (warning,) = report.warnings
    assert (warning.key, "too large" in warning.what) == ("000000001", True)


def test_passthrough_with_other_captions(tmp_path: Path) -> None:
    def pass_through(shard: Shard) -> None:
        clean = shard.clean[1]
        shard.samples[1] = replace(clean, captions=("mine",))
        digest = sha256_bytes(clean.image)
        shard.rows[1] = SampleRow(clean.key, "passthrough", "too large", digest, digest)

    assert "captions" in Corpus(tmp_path, pass_through).only_problem()[2]


def test_a_shard_whose_samples_all_failed(tmp_path: Path) -> None:
    def all_failed(shard: Shard) -> None:
        shard.samples.clear()
        shard.rows = [SampleRow(sample.key, "failed", "no", sha256_bytes(sample.image)) for sample in shard.clean]

    assert Corpus(tmp_path, all_failed).verify().ok


def test_broken_clean_samples_have_to_be_recorded_as_failed(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    members = [("000000000.png", b"x"), ("000000001.png", photo_png(1)), ("000000001.txt", b"words")]
    tar = tar_of(members)
    shard = make_shard("00000", count=0)
    shard.receipt |= {"input_sha256": sha256_bytes(tar)}
    digest = sha256_bytes(photo_png(1))
    shard.rows = [SampleRow("000000000", "failed", "no caption"), SampleRow("000000001", "failed", "no", digest)]
    shard.store(corpus.clean, corpus.protected)
    write_bytes(corpus.clean, "00000.tar", tar)
    corpus.protected.delete(MANIFEST_NAME)
    assert corpus.verify().ok
    shard.rows[0] = SampleRow("000000000", "protected", sha256_in="0")
    shard.store(corpus.clean, corpus.protected)
    write_bytes(corpus.clean, "00000.tar", tar)
    assert any("the clean sample is broken" in problem.what for problem in corpus.verify().problems)


def photo_png(seed: int) -> bytes:
    return encode_image(Picture(photo(seed)), "png")


def test_broken_published_samples_are_named(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    tar = read_bytes(corpus.protected, "00000.tar").replace(b"000000001.txt", b"000000001.abc")
    found = list(read_shard(io.BytesIO(read_bytes(corpus.protected, "00000.tar")), "x"))
    assert len(found) == 3
    write_bytes(corpus.protected, "00000.tar", tar)
    assert not corpus.verify().ok


def test_a_wholly_wrong_shard_is_named_within_bounds(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    shard = make_shard("00000", count=3)
    clean, rows = shard.clean[0], shard.rows[0]
    shard.clean = [replace(clean, key=f"{i:09d}") for i in range(150)]
    shard.rows = [replace(rows, key=f"{i:09d}") for i in range(150)]
    shard.samples = []
    shard.store(corpus.clean, corpus.protected)
    report = verify_shard(corpus.clean, corpus.protected, "00000", tokenize)
    assert len(report.problems) == 101
    assert report.problems[-1].what == "and 50 more problems in this shard"


def test_folders_without_shards_are_said_so(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "a")
    nothing = LocalFolder(tmp_path / "nothing")
    for clean, protected in ((corpus.clean, nothing), (nothing, corpus.protected)):
        with pytest.raises(SourceError, match="there is no such folder"):
            verify_corpus(clean, protected, tokenize=tokenize)


def test_reports_go_to_json(tmp_path: Path) -> None:
    report = Corpus(tmp_path, lambda shard: shard.samples.clear()).verify()
    assert VerifyReport.model_validate_json(report.model_dump_json()) == report


def test_the_table_is_the_one_of_the_corpus(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    assert read_table(read_bytes(corpus.protected, "00000.parquet")) == corpus.shards[0].rows
