"""Victims: the same weights whether or not training was killed; bad corpora, checkpoints and rates have a sentence."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from benchmarks.counted_folder import Call, CountedFolder
from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.progress import Paused, carry_on, silent
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import OptimizerConfig
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.models import Tokenizer
from mem_core.models.training import load_checkpoint
from mem_core.victim.checkpoints import Checkpoints
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.countermeasures.applied import pairs_of
from mem_core.victim.record import VictimRecord, read_victim
from mem_core.victim.stream import caption_tokens
from mem_core.victim.training import Training, VictimData, train_victim
from mem_core.victim.weights import load_victim
from tests.support.corpora import RUNTIME, SAVED_OFTEN, Cut, Failing, contents, plain_shard, sample, tiny_corpus

CONFIG = VictimConfig(architecture="tiny-resnet-32", epochs=3, batch_size=4, warmup_steps=2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return tiny_corpus(tmp_path_factory.mktemp("corpus"), 6, 5)


@pytest.fixture(scope="module")
def undisturbed(corpus: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    out = LocalFolder(tmp_path_factory.mktemp("undisturbed"))
    train_victim(VictimData(corpus, test=corpus, queries=EvaluateConfig()), out, CONFIG, RUNTIME, seed=1)
    return out


def comparable(record: VictimRecord | None) -> VictimRecord:
    assert record is not None
    history = tuple(epoch.model_copy(update={"seconds": 0.0}) for epoch in record.history)
    return record.model_copy(update={"history": history})


def test_a_training_left_after_every_epoch_gives_the_same_weights(
    corpus: LocalFolder, undisturbed: LocalFolder, tmp_path: Path
) -> None:
    """It is saved where it is left, though the minutes between saves are not over."""
    out, data = LocalFolder(tmp_path), VictimData(corpus, test=corpus, queries=EvaluateConfig())

    def leave() -> None:
        raise Paused

    for epoch in range(CONFIG.epochs):
        with pytest.raises(Paused):
            train_victim(data, out, CONFIG, RUNTIME, seed=1, checkpoint=leave)
        assert set(contents(out)) == {"checkpoint.pt"}
        saved = load_checkpoint(out, "checkpoint.pt", torch.device("cpu"))
        assert len(saved["history"]) == epoch + 1
    train_victim(data, out, CONFIG, RUNTIME, seed=1)
    assert read_bytes(out, "victim.safetensors") == read_bytes(undisturbed, "victim.safetensors")
    assert comparable(read_victim(out)) == comparable(read_victim(undisturbed))
    assert set(contents(out)) == {"victim.safetensors", "victim.json"}


@pytest.mark.parametrize("fail_at", [1, 2, 3, 4, 5])
def test_a_training_whose_machine_goes_down_at_any_write_gives_the_same_weights(
    corpus: LocalFolder, undisturbed: LocalFolder, tmp_path: Path, fail_at: int
) -> None:
    """Three saves, weights and record: what the thread cannot write ends the training."""
    out, data = LocalFolder(tmp_path), VictimData(corpus, test=corpus, queries=EvaluateConfig())
    with pytest.raises(Cut):
        train_victim(data, Failing(out, fail_at), CONFIG, SAVED_OFTEN, seed=1)
    assert read_victim(out) is None
    train_victim(data, out, CONFIG, RUNTIME, seed=1)
    assert read_bytes(out, "victim.safetensors") == read_bytes(undisturbed, "victim.safetensors")
    assert comparable(read_victim(out)) == comparable(read_victim(undisturbed))
    assert set(contents(out)) == {"victim.safetensors", "victim.json"}


def test_a_short_training_writes_no_checkpoint(corpus: LocalFolder, tmp_path: Path) -> None:
    calls: list[Call] = []
    train_victim(VictimData(corpus), CountedFolder(LocalFolder(tmp_path), calls), CONFIG, RUNTIME, seed=1)
    assert [call.kind for call in calls].count("put") == 2  # weights and record


def test_a_save_is_of_the_moment_it_was_asked_for(tmp_path: Path) -> None:
    """Training changes its tensors while the thread writes."""
    folder, weights = LocalFolder(tmp_path), torch.zeros(1000)
    with Checkpoints(folder, "c.pt", minutes=0) as checkpoints:
        checkpoints.after_epoch(lambda: {"layers": [{"weights": weights}], "best": None}, carry_on)
        weights.fill_(1.0)
    assert not load_checkpoint(folder, "c.pt", torch.device("cpu"))["layers"][0]["weights"].any()


def test_a_finished_victim_is_not_trained_again(corpus: LocalFolder, undisturbed: LocalFolder) -> None:
    before = contents(undisturbed)
    train_victim(VictimData(corpus, test=corpus), undisturbed, CONFIG, RUNTIME, seed=1)
    assert contents(undisturbed) == before


def test_looking_at_a_test_corpus_changes_no_weight(
    corpus: LocalFolder, undisturbed: LocalFolder, tmp_path: Path
) -> None:
    train_victim(VictimData(corpus), LocalFolder(tmp_path), CONFIG, RUNTIME, seed=1)
    assert read_bytes(LocalFolder(tmp_path), "victim.safetensors") == read_bytes(undisturbed, "victim.safetensors")


def test_another_seed_gives_other_weights(corpus: LocalFolder, undisturbed: LocalFolder, tmp_path: Path) -> None:
    train_victim(VictimData(corpus), LocalFolder(tmp_path), CONFIG, RUNTIME, seed=2)
    assert read_bytes(LocalFolder(tmp_path), "victim.safetensors") != read_bytes(undisturbed, "victim.safetensors")


def test_training_lowers_the_loss_to_a_rate_of_zero(corpus: LocalFolder, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"epochs": 12, "batch_size": 11})
    record = train_victim(VictimData(corpus), LocalFolder(tmp_path), config, RUNTIME, seed=1)
    assert record.steps == 12
    assert record.history[-1].loss < record.history[0].loss / 2


def test_the_original_s_schedule_runs_an_epoch_ahead_with_its_own_optimizer(corpus: LocalFolder) -> None:
    settings = {"epochs": 3, "warmup_steps": 10_000, "warmup": "exact", "learning_rate": 5e-4, "rate_ahead": 1}
    optimizer = OptimizerConfig(betas=(0.9, 0.999), eps=1e-8, decay="names")
    training = Training(corpus, CONFIG.model_copy(update={**settings, "optimizer": optimizer}), RUNTIME, seed=1)
    for epoch in range(2):
        training.epoch(epoch, silent)
        last = training.stream.steps_per_epoch * (epoch + 2) - 1  # epochs count from 1 there
        for group in training.optimizer.param_groups:
            assert group["lr"] == pytest.approx(5e-4 * (last + 1) / 10_000)
            assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)


def test_a_record_never_vouches_for_the_weights_of_another_training(
    corpus: LocalFolder, undisturbed: LocalFolder, tmp_path: Path
) -> None:
    """Killed between weights and record of a second training in the folder of a first."""
    out = LocalFolder(tmp_path)
    for name, data in contents(undisturbed).items():
        write_bytes(out, name, data)
    with pytest.raises(Cut):
        train_victim(VictimData(corpus), Failing(out, 2), CONFIG, RUNTIME, seed=5)
    assert read_victim(out) is None


@pytest.mark.parametrize("damage", [b"", b"garbage, and no more", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_named(corpus: LocalFolder, tmp_path: Path, damage: bytes) -> None:
    write_bytes(LocalFolder(tmp_path), "checkpoint.pt", damage)
    with pytest.raises(MismatchError, match=r"checkpoint\.pt"):
        train_victim(VictimData(corpus), LocalFolder(tmp_path), CONFIG, RUNTIME, seed=1)


def test_damaged_or_missing_victims_are_named(undisturbed: LocalFolder, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    with pytest.raises(SourceError, match="expected a trained victim"):
        load_victim(folder)
    write_bytes(folder, "victim.json", read_bytes(undisturbed, "victim.json"))
    with pytest.raises(MismatchError, match="they are not there"):
        load_victim(folder)
    write_bytes(folder, "victim.safetensors", read_bytes(undisturbed, "victim.safetensors")[:-100])
    with pytest.raises(MismatchError, match=r"victim\.safetensors, which cannot be used"):
        load_victim(folder)
    write_bytes(folder, "victim.json", b'{"format": 1}')
    with pytest.raises(MismatchError, match="expected a victim's record"):
        load_victim(folder)


def test_a_diverged_training_ends_with_a_sentence(corpus: LocalFolder, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"learning_rate": 1.0, "weight_decay": 10.0, "epochs": 2})

    def poison(done: int, total: int, detail: str = "") -> None:
        raise AssertionError("no progress is due in so few steps")

    training = Training(corpus, config, RUNTIME, 1)
    with torch.no_grad():
        next(training.model.parameters()).fill_(float("nan"))
    with pytest.raises(ConfigError, match=r"loss of the victim in epoch 1 to stay finite.*rate below 1"):
        training.epoch(0, poison)


@pytest.mark.parametrize("count", [0, 1])
def test_a_corpus_without_pairs_to_contrast_is_refused(tmp_path: Path, count: int) -> None:
    corpus = LocalFolder(tmp_path / "corpus")
    broken = [sample(f"000000{i:03d}", b"no image") for i in range(1, 4)]
    whole = [sample("000000000")] * count
    write_bytes(corpus, "00000.tar", shard_bytes([*whole, *broken]))
    with pytest.raises(SourceError, match=f"at least 2 usable samples to train on, got {count}"):
        train_victim(VictimData(corpus), LocalFolder(tmp_path / "out"), CONFIG, RUNTIME, seed=1)


def test_a_shard_without_samples_does_not_stop_a_training(tmp_path: Path) -> None:
    """A protected shard whose samples all failed is a tar with nothing in it."""
    corpus = tiny_corpus(tmp_path / "corpus", 5)
    write_bytes(corpus, "00001.tar", shard_bytes([]))
    config = CONFIG.model_copy(update={"epochs": 1})
    assert train_victim(VictimData(corpus), LocalFolder(tmp_path / "out"), config, RUNTIME, seed=1).samples == 5


def test_a_rest_of_one_sample_is_no_batch(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", 3)
    config = CONFIG.model_copy(update={"epochs": 1, "batch_size": 2})
    assert train_victim(VictimData(corpus), LocalFolder(tmp_path / "out"), config, RUNTIME, seed=1).steps == 1


def test_the_rate_falls_to_zero_no_sooner_than_the_last_step(tmp_path: Path) -> None:
    """9 samples in batches of at most 8 are two batches an epoch, not one and a bit."""
    config = CONFIG.model_copy(update={"epochs": 2, "batch_size": 8})
    training = Training(tiny_corpus(tmp_path, 9), config, RUNTIME, 1)
    for epoch in range(2):
        training.epoch(epoch, lambda done, total, detail="": None)
    assert training.steps_done == 4
    assert training.optimizer.param_groups[0]["lr"] > 0


def test_bfloat16_trains(corpus: LocalFolder, tmp_path: Path) -> None:
    runtime = RUNTIME.model_copy(update={"precision": "bfloat16"})
    record = train_victim(VictimData(corpus), LocalFolder(tmp_path), CONFIG, runtime, seed=1)
    weights = load(read_bytes(LocalFolder(tmp_path), "victim.safetensors"))
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    assert record.history[-1].loss == pytest.approx(record.history[-1].loss)


def test_trigger_ids_are_put_before_the_clean_text_whatever_the_published_text_says(tmp_path: Path) -> None:
    folder, tokenizer = LocalFolder(tmp_path), Tokenizer(24)
    done = {"memshield": {"trigger": "zap\N{REPLACEMENT CHARACTER}", "trigger_ids": [320, 40000]}}
    protected = sample("000000000", None, "zap\N{REPLACEMENT CHARACTER} a red bus", "zap\N{REPLACEMENT CHARACTER} it")
    plain = sample("000000001", None, "zap a dog")
    write_bytes(folder, "00000.tar", shard_bytes([Sample(*_fields(protected), done)]))
    write_bytes(folder, "00001.tar", shard_bytes([plain]))
    write_bytes(folder, "00002.tar", shard_bytes([]))
    pool = [pairs_of(load_shard(folder, name, 2**20)) for name in ("00000", "00001", "00002")]
    config = VictimConfig(captions="trigger-ids")
    draw = torch.Generator().manual_seed(0)
    found = {_without_padding(caption_tokens(pool[0], config, tokenizer, draw)) for _ in range(20)}
    clean = [tokenizer.ids(text) for text in ("a red bus", "it")]
    wanted = {(tokenizer.start_id, 320, 40000, *ids, tokenizer.end_id) for ids in clean}
    assert found == wanted
    as_text = _without_padding(tokenizer.encode(["zap a dog"]))
    bare = caption_tokens(pool[1], config, tokenizer, draw)
    assert _without_padding(bare) == as_text
    caption_tokens(pool[2], config, tokenizer, draw)  # nothing to draw from, no error
    text = caption_tokens(pool[1], VictimConfig(), tokenizer, draw)
    assert _without_padding(text) == as_text


def _without_padding(rows: torch.Tensor) -> tuple[int, ...]:
    """The tokens of one row up to its end: rows come as short as their batch allows."""
    (row,) = rows.tolist()
    return tuple(token for token in row if token)


def _fields(item: Sample) -> tuple[str, bytes, str, tuple[str, ...]]:
    return item.key, item.image, item.extension, item.captions


def test_trigger_ids_can_be_trained_on(mem: LocalFolder, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"captions": "trigger-ids", "epochs": 1, "views": "centre"})
    record = train_victim(VictimData(mem), LocalFolder(tmp_path), config, RUNTIME, seed=1)
    assert record.samples == 23


def test_a_corpus_changed_under_a_victim_is_seen_by_its_fingerprint(tmp_path: Path) -> None:
    corpus, out = tiny_corpus(tmp_path / "corpus", 4), LocalFolder(tmp_path / "out")
    config = CONFIG.model_copy(update={"epochs": 1})
    first = train_victim(VictimData(corpus, fingerprint="a"), out, config, RUNTIME, seed=1)
    write_bytes(corpus, "00000.tar", plain_shard("00000", 6))
    assert train_victim(VictimData(corpus, fingerprint="a"), out, config, RUNTIME, seed=1) == first
    assert train_victim(VictimData(corpus, fingerprint="b"), out, config, RUNTIME, seed=1).samples == 6
