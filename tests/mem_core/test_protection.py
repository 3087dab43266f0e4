"""Protecting a corpus: equal bytes whatever happens on the way, and nothing lost."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from corpora import (
    RUNTIME,
    Cut,
    Failing,
    contents,
    encoded,
    fit,
    photo,
    plain_shard,
    protect,
    published,
    sample,
    small,
    tiny_corpus,
)

from mem_core.config import Method, ProtectConfig
from mem_core.data.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.receipt import read_receipt
from mem_core.data.shard import Sample, read_shard, shard_bytes
from mem_core.data.table import read_table, recorded_triggers
from mem_core.data.verify import verify_corpus
from mem_core.errors import ConfigError, DestinationError, MismatchError, SourceError
from mem_core.models import Tokenizer
from mem_core.perturb.recipes import RECIPES
from mem_core.protection import Protection

METHODS: list[Method] = list(RECIPES)
SEED = 3


def samples_of(folder: LocalFolder, shard: str) -> list[Sample]:
    with folder.open(f"{shard}.tar") as stream:
        return [found for found in read_shard(stream, shard, allow_empty=True) if isinstance(found, Sample)]


def open_again(clean: LocalFolder, dest: LocalFolder, config: ProtectConfig | None = None) -> Protection:
    return Protection(clean, dest, config or small(), RUNTIME, seed=SEED)


# --- what is published


@pytest.mark.parametrize("method", METHODS)
def test_every_method_publishes_files_that_verify(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, method: Method
) -> None:
    dest = LocalFolder(tmp_path)
    reuse = mem if method in ("noise-only", "trigger-only") else None
    summaries = protect(Protection(clean, dest, small(method=method), RUNTIME, seed=SEED, reuse=reuse))
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


def test_passthrough_publishes_the_cut_image_only_on_request(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    protect(open_again(clean, dest, small(method="random-noise", on_error="passthrough")))
    rows = {row.key: row.status for row in read_table(read_bytes(dest, "00000.parquet"), "00000.parquet")}
    assert rows["000000100"] == "passthrough"
    assert rows["000000101"] == "failed"
    report = verify_corpus(clean, dest, tokenize=Tokenizer(24).encode)
    assert report.problems == ()
    assert [warning.key for warning in report.warnings] == ["000000100"]


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
        protection.fit_round(0)


def test_a_corpus_of_one_sample_has_nothing_to_contrast(tmp_path: Path) -> None:
    clean = tiny_corpus(tmp_path / "clean", 1)
    protection = open_again(clean, LocalFolder(tmp_path / "dest"))
    protection.begin()
    with pytest.raises(SourceError, match="at least 2 usable samples"):
        protection.fit_round(0)


@pytest.mark.parametrize("pool_shards", [1, 4])
def test_shards_of_one_sample_beside_a_larger_one(tmp_path: Path, pool_shards: int) -> None:
    """A pool of one pair has no negative and, in training mode, no batch statistics."""
    clean, dest = tiny_corpus(tmp_path / "clean", 1, 5, 1), LocalFolder(tmp_path / "dest")
    config = small(rounds=1, surrogate={"pool_shards": pool_shards, "batch_size": 2})
    assert len(protect(open_again(clean, dest, config))) == 3


def test_a_caption_too_long_to_be_published_is_a_failed_row(tmp_path: Path) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    longest = "word " * ((1 << 24) // 5 - 60)  # fits as it is, not behind a trigger beside its metadata
    edge = Sample("000000000", encoded(photo(1)), "png", (longest.strip(),), {"url": "u" * 230})
    write_bytes(clean, "00000.tar", shard_bytes([edge, sample("000000001")]))
    (summary,) = protect(open_again(clean, dest, small(method="constant-trigger")))
    assert summary.counts == {"failed": 1, "protected": 1}


# --- equal bytes


def test_replay_of_the_resulting_protector_gives_the_same_bytes(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path
) -> None:
    """One shard at a time, each by a new process that knows nothing but the protector; in another order."""
    dest = LocalFolder(tmp_path)
    for shard in ("00002", "00000", "00001"):
        config = ProtectConfig(strategy="replay", method="mem", image_format="png")
        replay = Protection(clean, dest, config, RUNTIME, seed=99, protector=mem.below("protector"))
        assert replay.fitted
        replay.begin()
        replay.publish(shard)
    assert published(dest) == published(mem)


def test_the_order_of_the_shards_changes_nothing(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    protection = open_again(clean, LocalFolder(tmp_path))
    protection.begin()
    losses = []
    for number in range(2):
        protection.fit_round(number)
        each = {shard: protection.advance(shard, number) for shard in reversed(protection.shards)}
        losses.append(sum(each[shard] for shard in protection.shards) / 3)
    protection.finish_fit(losses)
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
        assert twice(lambda p, number=number: p.fit_round(number)) is None
        each = [twice(lambda p, s=s, n=number: p.advance(s, n)) for s in ("00000", "00001", "00002")]
        losses.append(sum(each) / 3)  # type: ignore[arg-type]
    twice(lambda p: p.finish_fit(losses))
    for shard in ("00000", "00001", "00002"):
        assert twice(lambda p, shard=shard: p.publish(shard)).repeated  # type: ignore[attr-defined]
    twice(lambda p: p.finish())
    assert contents(dest) == contents(mem)


def test_a_write_that_fails_midway_changes_nothing(clean: LocalFolder, tmp_path: Path) -> None:
    """The destination breaks at its first write, then at its second after a restart, and so on to the end."""
    whole, dest = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "dest")
    config = small(surrogate={"steps_per_round": 1}, noise={"num_steps": 1})
    protect(open_again(clean, whole, config))
    for fail_at in itertools.count(1):
        broken = Failing(dest, fail_at)
        try:
            protect(Protection(clean, broken, config, RUNTIME, seed=SEED))
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
        protection.fit_round(number)
        for shard in protection.shards:
            protection.advance(shard, number)
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
    protection.fit_round(0)
    for shard in protection.shards:
        protection.advance(shard, 0)
    if when:
        open_again(clean, dest).fit_round(1)
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
    protection.fit_round(0)
    for shard in protection.shards:
        protection.advance(shard, 0)
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
        open_again(clean, dest, protection.config).fit_round(1)


def test_a_lost_optimizer_is_named(clean: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    protection = open_again(clean, dest, small(surrogate={"steps_per_round": 1}))
    protection.begin()
    protection.fit_round(0)
    (tmp_path / "_state" / "optimizer-000.pt").unlink()
    with pytest.raises(MismatchError, match="optimizer-000"):
        protection.fit_round(1)


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
    again = Protection(clean, dest, small(), RUNTIME, seed=SEED, on_mismatch="redo")
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
    protect(Protection(clean, copy, replay, RUNTIME, seed=0, protector=dest.below("protector")))
    assert published(copy) == published(dest)


# --- what does not go together


@pytest.mark.parametrize("change", ["config", "seed", "input"])
def test_another_config_seed_or_input_is_refused_where_a_corpus_is_finished(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, change: str
) -> None:
    dest, source = LocalFolder(tmp_path / "dest"), clean
    for name, data in contents(mem).items():
        write_bytes(dest, name, data)
    if change == "input":
        source = LocalFolder(tmp_path / "clean")
        for name, data in contents(clean).items():
            write_bytes(source, name, data if name != "00001.tar" else plain_shard("00001", 8))
    config = small(noise={"num_steps": 3}) if change == "config" else small()
    other = Protection(source, dest, config, RUNTIME, seed=SEED + (change == "seed"))
    with pytest.raises(MismatchError, match="choose another destination"):
        other.begin()
    assert contents(dest) == contents(mem)


@pytest.mark.parametrize("change", [{"epsilon": "4/255"}, {}])
def test_controls_are_refused_where_others_are_published(
    clean: LocalFolder, tmp_path: Path, change: dict[str, str]
) -> None:
    dest = LocalFolder(tmp_path)
    protect(open_again(clean, dest, small(method="random-noise")))
    method: Method = "random-noise" if change else "random-trigger"
    with pytest.raises(MismatchError, match="with these settings"):
        protect(open_again(clean, dest, small(method=method, noise=change)))


def test_what_another_config_left_half_done_is_put_away(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    other = open_again(clean, dest, small(rounds=3, surrogate={"steps_per_round": 1}))
    other.begin()
    other.fit_round(0)
    other.advance("00000", 0)
    protect(open_again(clean, dest))
    assert contents(dest) == contents(mem)


def test_a_clean_shard_changed_after_its_receipt_is_named(
    clean: LocalFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source, dest = LocalFolder(tmp_path_factory.mktemp("s")), LocalFolder(tmp_path_factory.mktemp("d"))
    protect(Protection(clean, source, small(method="clean"), RUNTIME, seed=0))  # a corpus with receipts
    write_bytes(source, "00001.tar", plain_shard("00001", 3))
    with pytest.raises(MismatchError, match=r"00001.tar .* was changed after it was finished"):
        protect(open_again(source, dest, small(method="random-noise")))
    assert read_receipt(dest, "00001") is None


def test_hand_edited_receipts_are_named(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    values = json.loads(read_bytes(mem, "00001.receipt.json"))
    write_bytes(dest, "00001.receipt.json", json.dumps(values | {"epsilon_levels": 4}).encode())
    with pytest.raises(MismatchError, match="edited"):
        open_again(clean, dest, small(method="random-noise")).publish("00001")


def test_places_and_methods_that_do_not_go_together(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    dest = LocalFolder(tmp_path)
    with pytest.raises(DestinationError, match="apart from the source"):
        open_again(clean, clean)
    with pytest.raises(ConfigError, match="needs a protector"):
        open_again(clean, dest, small(strategy="replay"))
    with pytest.raises(ConfigError, match="only noise-only and trigger-only"):
        Protection(clean, dest, small(method="em"), RUNTIME, seed=0, reuse=mem)
    with pytest.raises(MismatchError, match=r"expected a protector for em, but .* was fitted for mem"):
        config = small(method="em", strategy="replay")
        Protection(clean, dest, config, RUNTIME, seed=0, protector=mem.below("protector"))
    with pytest.raises(ConfigError, match="leaves room in 16 tokens"):
        _ = open_again(
            clean, dest, small(trigger={"length": 16}, surrogate={"architecture": str(short(tmp_path))})
        ).setting


def short(folder: Path) -> Path:
    """An architecture with room for 16 tokens."""
    path = folder / "short-context.json"
    described = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    path.write_text(json.dumps(described))
    return path


@pytest.mark.parametrize("method", ["noise-only", "trigger-only"])
def test_an_ingredient_of_mem_is_the_same_from_its_files_and_from_its_protector(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path, method: Method
) -> None:
    reused, replayed = LocalFolder(tmp_path / "reused"), LocalFolder(tmp_path / "replayed")
    protect(Protection(clean, reused, small(method=method), RUNTIME, seed=SEED, reuse=mem))
    config = small(method=method, strategy="replay")
    protect(Protection(clean, replayed, config, RUNTIME, seed=SEED, protector=mem.below("protector")))
    for shard in ("00000", "00001", "00002"):
        one, other, full = (samples_of(folder, shard) for folder in (reused, replayed, mem))
        assert [item.image for item in one] == [item.image for item in other]
        assert [item.captions for item in one] == [item.captions for item in other]
        same = "image" if method == "noise-only" else "captions"
        assert [getattr(item, same) for item in one] == [getattr(item, same) for item in full]


def test_ingredients_of_a_corpus_without_triggers_are_refused(clean: LocalFolder, tmp_path: Path) -> None:
    noisy, dest = LocalFolder(tmp_path / "noisy"), LocalFolder(tmp_path / "dest")
    protect(open_again(clean, noisy, small(method="random-noise")))
    with pytest.raises(MismatchError, match="with noise and a trigger of 2 tokens"):
        Protection(clean, dest, small(method="noise-only"), RUNTIME, seed=0, reuse=noisy).publish("00001")


# --- profiles and precision


def test_the_paper_profile_runs_on_pairs_squashed_to_the_models_size(tmp_path: Path) -> None:
    from mem_core.config import CorpusConfig
    from mem_core.data.procedural import draw_corpus
    from mem_core.data.readers import open_source
    from mem_core.data.sharder import shard_source

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
    protect(Protection(clean, dest, small(), runtime, seed=SEED))
    assert verify_corpus(clean, dest, tokenize=Tokenizer(24).encode).problems == ()
    one = json.loads(read_bytes(dest, "protector/protector.json"))["losses"]
    other = json.loads(read_bytes(mem, "protector/protector.json"))["losses"]
    assert one == pytest.approx(other, rel=0.1)
