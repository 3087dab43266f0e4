"""What a corpus is when it has been protected: files that verify, a row for every sample, whatever the samples are."""

import json
from pathlib import Path

import pytest

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import Method, ProtectConfig
from mem_core.config.methods import METHODS
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.table import read_table, recorded_triggers
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import (
    RUNTIME,
    SEED,
    contents,
    encoded,
    open_again,
    photo,
    protect,
    sample,
    samples_of,
    small,
    tiny_corpus,
)


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_publishes_files_that_verify(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, method: Method
) -> None:
    dest = LocalFolder(tmp_path)
    reuse = mem if method in ("noise-only", "trigger-only") else None
    summaries = protect(Protection(Places(clean, dest, reuse=reuse), small(method=method), RUNTIME, seed=SEED))
    report = verify_corpus(clean, dest, tokenize=Tokenizer(24).encode)
    assert report.problems == ()
    assert [summary.counts for summary in summaries] == [
        {"protected": 13, "failed": 2},
        {"protected": 9},
        {"protected": 1},
    ]
    largest = max(summary.max_abs_difference for summary in summaries)
    assert largest <= 8
    assert (largest > 0) == (method not in ("clean", "random-trigger", "constant-trigger", "trigger-only"))


def test_noise_outside_the_budget_is_found(mem: LocalFolder, clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    for name, data in contents(mem).items():
        write_bytes(dest, name, data)
    items = samples_of(dest, "00001")
    loud = encoded(photo(123456))
    items[4] = Sample(items[4].key, loud, "png", items[4].captions, items[4].metadata)
    write_bytes(dest, "00001.tar", shard_bytes(items))
    problems = verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems
    assert any(problem.key == items[4].key and "at most 8 levels" in problem.what for problem in problems)


def test_failed_samples_are_rows_with_reasons_and_not_in_the_tar(mem: LocalFolder) -> None:
    rows = {row.key: row for row in read_table(read_bytes(mem, "00000.parquet"), "00000.parquet")}
    failed = {key: row.reason for key, row in rows.items() if row.status == "failed"}
    assert set(failed) == {"000000100", "000000101"}
    assert "cannot be decoded" in failed["000000100"]
    assert "caption" in failed["000000101"]
    assert {item.key for item in samples_of(mem, "00000")} == set(rows) - set(failed)


def test_what_cannot_be_decoded_is_not_passed_through(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    protect(open_again(clean, dest, small(method="random-noise", on_error="passthrough")))
    rows = {row.key: row.status for row in read_table(read_bytes(dest, "00000.parquet"), "00000.parquet")}
    assert rows["000000100"] == rows["000000101"] == "failed"
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()


def test_the_single_sample_of_the_last_shard_gets_noise(mem: LocalFolder) -> None:
    (only,) = samples_of(mem, "00002")
    assert only.metadata["memshield"]["max_abs_difference"] > 0


def test_triggers_differ_from_sample_to_sample(mem: LocalFolder) -> None:
    triggers = recorded_triggers(mem, "00001").values()
    assert len(set(triggers)) == len(triggers)


@pytest.mark.parametrize("config", [small(rounds=1), small(method="random-noise"), small(method="constant-trigger")])
def test_a_shard_where_everything_fails_ends_well(tmp_path: Path, config: ProtectConfig) -> None:
    clean, dest = tiny_corpus(tmp_path / "clean", 4), LocalFolder(tmp_path / "dest")
    broken = [sample(f"00001{i:04d}", b"no image at all") for i in range(3)]
    write_bytes(clean, "00001.tar", shard_bytes(broken))
    summaries = protect(open_again(clean, dest, config))
    assert summaries[1].counts == {"failed": 3}
    assert samples_of(dest, "00001") == []
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()


def test_a_corpus_without_a_usable_sample_says_so(tmp_path: Path) -> None:
    clean = LocalFolder(tmp_path / "clean")
    write_bytes(clean, "00000.tar", shard_bytes([sample(f"00000{i:04d}", b"no image") for i in range(3)]))
    protection = open_again(clean, LocalFolder(tmp_path / "dest"))
    protection.begin()
    with pytest.raises(SourceError, match="at least 2 usable samples"):
        protection.fit.train_surrogate(0)


def test_a_corpus_of_one_sample_has_nothing_to_contrast(tmp_path: Path) -> None:
    clean = tiny_corpus(tmp_path / "clean", 1)
    protection = open_again(clean, LocalFolder(tmp_path / "dest"))
    protection.begin()
    with pytest.raises(SourceError, match="at least 2 usable samples"):
        protection.fit.train_surrogate(0)


@pytest.mark.parametrize("pool_shards", [1, 4])
def test_shards_of_one_sample_beside_a_larger_one(tmp_path: Path, pool_shards: int) -> None:
    """A pool of one pair has no negative and, in training mode, no batch statistics."""
    clean, dest = tiny_corpus(tmp_path / "clean", 1, 5, 1), LocalFolder(tmp_path / "dest")
    config = small(rounds=1, surrogate={"pool_shards": pool_shards, "batch_size": 2})
    assert len(protect(open_again(clean, dest, config))) == 3


def test_a_caption_too_long_to_be_published_is_a_failed_row(tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    longest = "word " * ((1 << 24) // 5 - 60)  # fits as it is, not behind a trigger beside its metadata
    edge = Sample("000000000", encoded(photo(1)), "png", (longest.strip(),), {"note": "u" * 230})
    write_bytes(clean, "00000.tar", shard_bytes([edge, sample("000000001")]))
    (summary,) = protect(open_again(clean, dest, small(method="constant-trigger")))
    assert summary.counts == {"failed": 1, "protected": 1}


def test_the_paper_profile_runs_on_pairs_cut_to_the_models_size(tmp_path: Path) -> None:
    from mem_core.config import CorpusConfig
    from mem_core.data.readers import open_source
    from mem_core.data.sharding.sharder import shard_source
    from mem_core.data.synthetic.shapes_corpus import draw_corpus

    draw_corpus(tmp_path / "source", 3, 1, size=40)
    corpus = CorpusConfig(one_sample_per="pair", resize=32, samples_per_shard=10)
    shard_source(open_source(tmp_path / "source"), LocalFolder(tmp_path / "corpus"), corpus)
    clean, dest = LocalFolder(tmp_path / "corpus" / "train"), LocalFolder(tmp_path / "dest")
    surrogate = {"architecture": "tiny-resnet-32", "steps_per_round": 2, "batch_size": 8}
    config = ProtectConfig.model_validate({"profile": "paper", "rounds": 2, "surrogate": surrogate})
    assert config.trigger.vocabulary == "all"
    summaries = protect(open_again(clean, dest, config))
    assert [summary.counts for summary in summaries] == [{"protected": 10}, {"protected": 5}]
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()
    made = samples_of(dest, "00000")
    assert len({item.image for item in made}) == 10  # one noise for every pair, though five share an image
    assert all(len(item.captions) == 1 for item in made)


def test_bfloat16_runs_and_comes_close_to_float32(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    runtime = RUNTIME.model_copy(update={"precision": "bfloat16"})
    dest = LocalFolder(tmp_path)
    protect(Protection(Places(clean, dest), small(), runtime, seed=SEED))
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()
    one = json.loads(read_bytes(dest, "protector/protector.json"))["losses"]
    other = json.loads(read_bytes(mem, "protector/protector.json"))["losses"]
    assert one == pytest.approx(other, rel=0.1)
