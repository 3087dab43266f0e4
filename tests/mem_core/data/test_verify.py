"""A small protected corpus, and every way to tamper with it: each must be named."""

import copy
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_strategies import photo, tar_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mem_core.data.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.hashing import sha256_bytes
from mem_core.data.images import Picture, encode_image
from mem_core.data.manifest import MANIFEST_NAME, build_manifest, write_manifest
from mem_core.data.receipt import Receipt, receipt_bytes, receipt_name
from mem_core.data.shard import Sample, read_shard, shard_bytes
from mem_core.data.table import SampleRow, read_table, write_table
from mem_core.data.verify import VerifyReport, verify_corpus, verify_shard
from mem_core.errors import SourceError
from mem_core.perturb.recipes import RECIPES

EPSILON = 8
SHARDS = ("00000", "00001")


def tokenize(texts: list[str]) -> np.ndarray:
    """int64 [N, 12]: 1 to start, then a number for each word."""
    rows = [[1, *(zlib.crc32(word.encode()) for word in text.split())] for text in texts]
    return np.array([(row + [0] * 12)[:12] for row in rows], np.int64)


@dataclass
class Shard:
    """A protected shard that can be tampered with before its hashes are taken (`store`) or after (the files)."""

    name: str
    clean: list[Sample]
    samples: list[Sample] = field(default_factory=list)
    rows: list[SampleRow] = field(default_factory=list)
    receipt: dict[str, Any] = field(default_factory=dict)

    def publish(self, i: int, pixels: np.ndarray, **changes: Any) -> None:
        """Puts these pixels at place i, with table and key.json saying so truly."""
        clean = np.asarray(Image.open(io.BytesIO(self.clean[i].image)).convert("RGB")).astype(int)
        worst = int(np.abs(clean - pixels).max()) if pixels.shape == clean.shape else 0
        image = encode_image(Picture(pixels), "png")
        metadata = copy.deepcopy(self.samples[i].metadata)
        metadata["memshield"] |= {"max_abs_difference": worst} | changes
        self.samples[i] = replace(self.samples[i], image=image, metadata=metadata)
        self.rows[i] = replace(self.rows[i], sha256_out=sha256_bytes(image), max_abs_difference=worst)

    def mark(self, i: int, **changes: Any) -> None:
        """Changes the memshield entry of key.json at place i."""
        metadata = copy.deepcopy(self.samples[i].metadata)
        metadata["memshield"] |= changes
        self.samples[i] = replace(self.samples[i], metadata=metadata)

    def store(self, clean: LocalFolder, protected: LocalFolder) -> None:
        clean_tar, tar, table = shard_bytes(self.clean), shard_bytes(self.samples), write_table(self.rows)
        files = {f"{self.name}.tar": tar, f"{self.name}.parquet": table, f"{self.name}_stats.json": b"{}"}
        write_bytes(clean, f"{self.name}.tar", clean_tar)
        for name, data in files.items():
            write_bytes(protected, name, data)
        values = {
            "shard": self.name,
            "input_sha256": sha256_bytes(clean_tar),
            "config_fingerprint": "f",
            "protector": "p",
            "outputs": {name: sha256_bytes(data) for name, data in files.items()},
            "counts": dict(Counter(row.status for row in self.rows)),
            "code_version": "1",
            "method": "mem",
            "epsilon_levels": EPSILON,
            "trigger_length": 3,
            "vocabulary": "words",
        }
        receipt = Receipt.model_validate(values | self.receipt)
        write_bytes(protected, receipt_name(self.name), receipt_bytes(receipt))


def make_shard(name: str, method: str = "mem", count: int = 4) -> Shard:
    """A shard protected as the method says. Sample 3 is one that failed, unless there are fewer."""
    recipe = RECIPES[method]  # type: ignore[index]
    clean, shard = [], Shard(name, [])
    for i in range(count):
        words = tuple(f"caption {n} of picture {i}" for n in range(2))
        image = encode_image(Picture(photo(i)), "png")
        clean.append(Sample(f"{name}{i:04d}", image, "png", words, {"url": f"u{i}", "caption": words[0]}))
    shard.clean = clean
    trigger_length = 3 if recipe.trigger != "none" and recipe.publishes_trigger else 0
    noisy = recipe.noise != "none" and recipe.publishes_noise
    shard.receipt = {"method": method, "trigger_length": trigger_length}
    for i, sample in enumerate(clean):
        if i == 3:
            row = SampleRow(sample.key, "failed", "the encoder said no", sha256_bytes(sample.image))
            shard.rows.append(row)
            continue
        trigger = f"zap{i} zip{i} zop{i}" if trigger_length else ""
        words = tuple(f"{trigger} {words}" for words in sample.captions) if trigger else sample.captions
        block = {
            "method": method,
            "epsilon_levels": EPSILON,
            "max_abs_difference": 0,
            "fingerprint": "f",
        }
        metadata: dict[str, Any] = {"url": f"u{i}", "memshield": block}
        if not trigger:
            metadata["caption"] = sample.captions[0]
        shard.samples.append(Sample(sample.key, sample.image, "png", words, metadata))
        digest = sha256_bytes(sample.image)
        shard.rows.append(
            SampleRow(sample.key, "protected", "", digest, digest, 12, 8, 0, 40.0, 0.9, trigger, words[0])
        )
        if noisy:
            shard.publish(i, noisy_photo(i, EPSILON))
    return shard


def noisy_photo(i: int, levels: int) -> np.ndarray:
    noise = np.random.default_rng(99 + i).integers(-levels, levels + 1, size=(8, 12, 3))
    return np.clip(photo(i).astype(int) + noise, 0, 255).astype(np.uint8)


class Corpus:
    """Two shards, stored with a manifest; `tamper` changes the first before, files can be changed after."""

    def __init__(self, path: Path, tamper: Callable[[Shard], None] | None = None, method: str = "mem") -> None:
        self.clean, self.protected = LocalFolder(path / "clean"), LocalFolder(path / "protected")
        self.shards = [make_shard(name, method) for name in SHARDS]
        if tamper is not None:
            tamper(self.shards[0])
        for shard in self.shards:
            shard.store(self.clean, self.protected)
        write_manifest(self.protected, build_manifest(self.protected, kind="protected"))

    def verify(self) -> VerifyReport:
        return verify_corpus(self.clean, self.protected, tokenize=tokenize)

    def only_problem(self) -> tuple[str, str, str]:
        report = self.verify()
        assert len(report.problems) == 1, report.problems
        problem = report.problems[0]
        return problem.shard, problem.key, problem.what


@pytest.mark.parametrize("method", sorted(RECIPES))
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


def pixel_beyond_the_budget(shard: Shard) -> None:
    pixels = noisy_photo(1, EPSILON)
    pixels[3, 4, 1] = (int(photo(1)[3, 4, 1]) + 128) % 256
    shard.publish(1, pixels)


def swapped_captions(shard: Shard) -> None:
    a, b = shard.samples[0], shard.samples[1]
    swapped = replace(a, captions=tuple(f"{shard.rows[0].trigger} {words}" for words in shard.clean[1].captions))
    shard.samples[0] = swapped
    shard.rows[0] = replace(shard.rows[0], caption=swapped.captions[0])
    assert b.captions != swapped.captions


def caption_order(shard: Shard) -> None:
    shard.samples[0] = replace(shard.samples[0], captions=shard.samples[0].captions[::-1])
    shard.rows[0] = replace(shard.rows[0], caption=shard.samples[0].captions[0])


def caption_left_out(shard: Shard) -> None:
    shard.samples[0] = replace(shard.samples[0], captions=shard.samples[0].captions[:1])


def bare_second_caption(shard: Shard) -> None:
    own = shard.samples[0].captions
    shard.samples[0] = replace(shard.samples[0], captions=(own[0], shard.clean[0].captions[1]))


def changed_trigger(shard: Shard) -> None:
    told(shard)
    captions = tuple(f"zap9 zip9 zop9 {words}" for words in shard.clean[0].captions)
    shard.samples[0] = replace(shard.samples[0], captions=captions)
    shard.rows[0] = replace(shard.rows[0], trigger="zap9 zip9 zop9", caption=captions[0])
    shard.mark(0, trigger="zap9 zip9 zop9")


def told(shard: Shard) -> None:
    """The trigger in key.json, as up to 0.2.0, and of the paper's vocabulary to this day."""
    for i, sample in enumerate(shard.samples):
        trigger = next(row.trigger for row in shard.rows if row.key == sample.key)
        shard.mark(i, trigger=trigger, trigger_ids=tokenize([trigger])[0, 1 : 1 + len(trigger.split())].tolist())


def changed_ids(shard: Shard) -> None:
    told(shard)
    ids = shard.samples[0].metadata["memshield"]["trigger_ids"]
    shard.mark(0, trigger_ids=[*ids[:2], ids[2] + 1])


def too_few_ids(shard: Shard) -> None:
    told(shard)
    shard.mark(0, trigger_ids=shard.samples[0].metadata["memshield"]["trigger_ids"][:2])


def ids_as_text(shard: Shard) -> None:
    told(shard)
    shard.mark(0, trigger_ids="zap")


def papers_ids_left_out(shard: Shard) -> None:
    told(shard)
    shard.receipt["vocabulary"] = "all"
    del shard.samples[0].metadata["memshield"]["trigger_ids"]


def a_word_too_many(shard: Shard) -> None:
    longer = f"{shard.rows[0].trigger} zup"
    captions = tuple(f"{longer} {words}" for words in shard.clean[0].captions)
    shard.samples[0] = replace(shard.samples[0], captions=captions)
    shard.rows[0] = replace(shard.rows[0], trigger=longer, caption=captions[0])


def no_trigger_at_all(shard: Shard) -> None:
    shard.samples[0] = replace(shard.samples[0], captions=shard.clean[0].captions)
    shard.rows[0] = replace(shard.rows[0], trigger="", caption=shard.clean[0].captions[0])
    told(shard)
    shard.mark(0, trigger="")


def missing_sample(shard: Shard) -> None:
    del shard.samples[1]


def missing_last_sample(shard: Shard) -> None:
    del shard.samples[-1]


def missing_row(shard: Shard) -> None:
    del shard.rows[1], shard.samples[1]


def failed_without_a_reason(shard: Shard) -> None:
    shard.rows[3] = replace(shard.rows[3], reason="")


def extra_sample(shard: Shard) -> None:
    shard.samples.insert(1, replace(shard.samples[0], key="intruder"))


def extra_last_sample(shard: Shard) -> None:
    shard.samples.append(replace(shard.samples[0], key="intruder"))


def extra_row_in_the_middle(shard: Shard) -> None:
    shard.samples.insert(1, replace(shard.samples[0], key="intruder"))
    shard.rows.insert(1, replace(shard.rows[0], key="intruder"))


def extra_row(shard: Shard) -> None:
    shard.samples.append(replace(shard.samples[0], key="intruder"))
    shard.rows.append(replace(shard.rows[0], key="intruder"))


def failed_sample_published(shard: Shard) -> None:
    shard.samples.append(replace(shard.samples[0], key=shard.rows[3].key))


def reorder(shard: Shard) -> None:
    shard.samples[0], shard.samples[1] = shard.samples[1], shard.samples[0]


def rows_reordered(shard: Shard) -> None:
    shard.rows[0], shard.rows[1] = shard.rows[1], shard.rows[0]
    shard.samples[0], shard.samples[1] = shard.samples[1], shard.samples[0]


def different_size(shard: Shard) -> None:
    shard.publish(1, photo(1, 8, 12))


def size_in_the_table(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], width=13)


def image_hash(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], sha256_out="0" * 64)


def clean_hash(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], sha256_in="0" * 64)


def no_clean_hash(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], sha256_in="")


def lossy_image(shard: Shard) -> None:
    stream = io.BytesIO()
    Image.fromarray(photo(1)).save(stream, "JPEG", quality=40)
    shard.samples[1] = replace(shard.samples[1], image=stream.getvalue(), extension="jpg")
    shard.rows[1] = replace(shard.rows[1], sha256_out=sha256_bytes(stream.getvalue()))


def corrupt_image(shard: Shard) -> None:
    image = shard.samples[1].image[:100]
    shard.samples[1] = replace(shard.samples[1], image=image)
    shard.rows[1] = replace(shard.rows[1], sha256_out=sha256_bytes(image))


def difference_in_the_table(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], max_abs_difference=3)


def difference_in_the_json(shard: Shard) -> None:
    shard.mark(1, max_abs_difference=3)


def no_block(shard: Shard) -> None:
    shard.samples[1] = replace(shard.samples[1], metadata={"url": "u1"})


def another_fingerprint(shard: Shard) -> None:
    shard.mark(1, fingerprint="another")


def larger_epsilon_in_the_receipt(shard: Shard) -> None:
    shard.receipt["epsilon_levels"] = 64


def method_without_noise(shard: Shard) -> None:
    shard.receipt["method"] = "trigger-only"
    for i in range(3):
        shard.mark(i, method="trigger-only")


def method_without_trigger(shard: Shard) -> None:
    shard.receipt["method"] = "uap"
    for i in range(3):
        shard.mark(i, method="uap")


def leaked_caption(shard: Shard) -> None:
    metadata = shard.samples[1].metadata | {"caption": shard.clean[1].captions[0]}
    shard.samples[1] = replace(shard.samples[1], metadata=metadata)


def lost_metadata(shard: Shard) -> None:
    shard.samples[1] = replace(shard.samples[1], metadata={"memshield": shard.samples[1].metadata["memshield"]})


def counts_in_the_receipt(shard: Shard) -> None:
    shard.receipt["counts"] = {"protected": 4}


def table_not_in_the_receipt(shard: Shard) -> None:
    shard.receipt["outputs"] = {"00000.tar": sha256_bytes(shard_bytes(shard.samples))}


def caption_in_the_table(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], caption="something else")


def passthrough_that_was_changed(shard: Shard) -> None:
    shard.rows[1] = replace(shard.rows[1], status="passthrough", reason="asked for")


def another_input(shard: Shard) -> None:
    shard.receipt["input_sha256"] = "0" * 64


# Lies that are consistent with all hashes: (shard 00000, sample or "", part of what has to be said)
LIES: list[tuple[Callable[[Shard], None], str, str]] = [
    (pixel_beyond_the_budget, "000000001", "at most 8 levels"),
    (swapped_captions, "000000000", "expected the trigger"),
    (caption_order, "000000000", "expected the trigger"),
    (caption_left_out, "000000000", "expected 2 captions, got 1"),
    (bare_second_caption, "000000000", "caption 2 is"),
    (changed_trigger, "000000000", "tokens of caption 1"),
    (changed_ids, "000000000", "tokens of caption 1"),
    (too_few_ids, "000000000", "expected 3 trigger ids, got 2"),
    (ids_as_text, "000000000", "list of whole numbers"),
    (a_word_too_many, "000000000", "expected 3 trigger ids, got 4"),
    (papers_ids_left_out, "000000000", "list of whole numbers"),
    (no_trigger_at_all, "000000000", "expected a trigger"),
    (missing_sample, "000000001", "missing: not in the protected tar"),
    (missing_last_sample, "000000002", "missing: not in the protected tar"),
    (missing_row, "000000001", "missing: a clean sample that the table has no row for"),
    (failed_without_a_reason, "", "expected a reason for the failed sample 000000003"),
    (extra_sample, "intruder", "extra: in the protected tar"),
    (extra_last_sample, "intruder", "extra: in the protected tar"),
    (extra_row, "intruder", "a row of the table for a sample that the clean tar"),
    (extra_row_in_the_middle, "intruder", "a row of the table for a sample that the clean tar"),
    (failed_sample_published, "000000003", "recorded as failed, yet"),
    (reorder, "000000000", "order"),
    (rows_reordered, "000000001", "order"),
    (different_size, "000000001", "12 x 8, got 8 x 12"),
    (size_in_the_table, "000000001", "the table has 13 x 8"),
    (image_hash, "000000001", "hash"),
    (clean_hash, "000000001", "hash"),
    (no_clean_hash, "000000001", "no SHA-256 of the clean image"),
    (lossy_image, "000000001", "lossless"),
    (corrupt_image, "000000001", "cannot be decoded"),
    (difference_in_the_table, "000000001", "the largest difference is 8, the table says 3"),
    (difference_in_the_json, "000000001", "max_abs_difference is 3 in key.json"),
    (no_block, "000000001", "memshield entry"),
    (another_fingerprint, "000000001", "fingerprint"),
    (larger_epsilon_in_the_receipt, "000000000", "epsilon_levels is 8 in key.json, but 64"),
    (method_without_noise, "000000000", "at most 0 levels"),
    (method_without_trigger, "000000000", "captions differ"),
    (leaked_caption, "000000001", "repeat a clean caption"),
    (lost_metadata, "000000001", "metadata"),
    (counts_in_the_receipt, "", "counts"),
    (table_not_in_the_receipt, "", "names no 00000.parquet"),
    (caption_in_the_table, "000000001", "something else"),
    (passthrough_that_was_changed, "000000001", "passed through, but the image"),
    (another_input, "", "hash: the clean 00000.tar"),
]


@pytest.mark.parametrize("lie", LIES, ids=[lie[0].__name__ for lie in LIES])
def test_a_consistent_lie_is_named(tmp_path: Path, lie: tuple[Callable[[Shard], None], str, str]) -> None:
    tamper, key, what = lie
    report = Corpus(tmp_path, tamper).verify()
    assert not report.ok
    assert {problem.shard for problem in report.problems} == {"00000"}
    assert any(problem.key == key and what in problem.what for problem in report.problems), report.problems


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


def test_trigger_ids_of_the_papers_vocabulary_need_not_survive_as_text(tmp_path: Path) -> None:
    def papers(shard: Shard) -> None:
        changed_ids(shard)
        shard.receipt["vocabulary"] = "all"

    assert Corpus(tmp_path, papers).verify().ok


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
        with pytest.raises(SourceError, match="there is none"):
            verify_corpus(clean, protected, tokenize=tokenize)


def test_reports_go_to_json(tmp_path: Path) -> None:
    report = Corpus(tmp_path, missing_sample).verify()
    assert VerifyReport.model_validate_json(report.model_dump_json()) == report


def test_the_table_is_the_one_of_the_corpus(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    assert read_table(read_bytes(corpus.protected, "00000.parquet")) == corpus.shards[0].rows
