"""The best epoch: chosen on clean validation pairs alone, found where it is, equal after a kill."""

from pathlib import Path

import pytest
import torch

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.corpus import list_shards
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.victim.config import EvaluateConfig, FinetuneConfig, VictimConfig
from mem_core.victim.evaluation import evaluate_victim, query_model, query_victim
from mem_core.victim.record import Epoch, VictimRecord, best_epoch, read_victim
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.validation import ValidationPairs
from mem_core.victim.validation_set import FEW_PAIRS
from mem_core.victim.weights import load_victim
from tests.support.corpora import RUNTIME, SAVED_OFTEN, Cut, Failing, contents, encoded, photo, sample, tiny_corpus

CONFIG = VictimConfig(architecture="tiny-resnet-32", epochs=4, batch_size=4, warmup_steps=2)
QUERIES = EvaluateConfig()


def shards(folder: Path, *counts: int, start: int) -> LocalFolder:
    """Photos that no other start has."""
    found = LocalFolder(folder)
    for number, count in enumerate(counts):
        items = [own(start + number, place) for place in range(count)]
        write_bytes(found, f"{number:05d}.tar", shard_bytes(items))
    return found


def own(shard: int, place: int) -> Sample:
    return sample(f"{shard:05d}{place:04d}", encoded(photo(10_000 * shard + place)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return tiny_corpus(tmp_path_factory.mktemp("corpus"), 8, 7)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return shards(tmp_path_factory.mktemp("validation"), 10, 10, start=500)


@pytest.fixture(scope="module")
def test_pairs(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return shards(tmp_path_factory.mktemp("test"), 9, start=900)


@pytest.fixture(scope="module")
def data(corpus: LocalFolder, validation: LocalFolder) -> VictimData:
    return VictimData(corpus, validation=validation)


@pytest.fixture(scope="module")
def victim(data: VictimData, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Chosen out of four epochs, and its best one is not the last."""
    out = LocalFolder(tmp_path_factory.mktemp("victim"))
    for seed in range(20):
        train_victim(data, out, CONFIG, RUNTIME, seed=seed)
        if record_of(out).best_epoch != CONFIG.epochs:
            return out
    raise AssertionError("of twenty trainings on noise one has its best epoch before the last")


def record_of(folder: LocalFolder) -> VictimRecord:
    record = read_victim(folder)
    assert record is not None
    return record


def history(*ranks: tuple[float, float] | None) -> list[Epoch]:
    lines = []
    for number, pair in enumerate(ranks, start=1):
        found = Epoch(epoch=number, loss=1.0, seconds=0.0)
        names = ("validation_image_to_text_median_rank", "validation_text_to_image_median_rank")
        lines.append(found.model_copy(update=dict(zip(names, pair, strict=True)) if pair else {}))
    return lines


def test_the_best_epoch_has_the_lowest_ranks_and_the_earliest_of_equals_counts() -> None:
    assert best_epoch(history((9, 9), (3, 5), (5, 3), (8, 8))) == 2
    assert best_epoch(history((9, 9), (8, 8), (7, 7))) == 3
    assert best_epoch(history(None, None)) is None
    assert best_epoch([]) is None


def test_every_epoch_is_validated_and_the_best_one_is_kept(victim: LocalFolder, validation: LocalFolder) -> None:
    record = record_of(victim)
    assert all(line.validated is not None for line in record.history)
    assert record.validation is not None
    assert (len(record.validation.images), record.validation.few) == (20, FEW_PAIRS > 20)
    assert set(contents(victim)) == {"victim.safetensors", "best.safetensors", "victim.json"}
    device = torch.device("cpu")
    for kept, epoch in (("last", CONFIG.epochs), ("best", record.best_epoch)):
        model, _ = load_victim(victim, kept)  # type: ignore[arg-type]
        pairs = ValidationPairs.load(validation, 500, model, device)
        assert epoch is not None
        assert sum(pairs.median_ranks(model, device, torch.float32)) == record.history[epoch - 1].validated


def test_a_training_killed_at_any_write_keeps_the_same_best_weights(
    data: VictimData, victim: LocalFolder, tmp_path: Path
) -> None:
    """Best weights are saved with the checkpoint of their epoch, and at the end: a kill loses neither."""
    seed = record_of(victim).seed
    for number in range(1, CONFIG.epochs + 4):
        out = LocalFolder(tmp_path / str(number))
        with pytest.raises(Cut):
            train_victim(data, Failing(out, number), CONFIG, SAVED_OFTEN, seed=seed)
        train_victim(data, out, CONFIG, RUNTIME, seed=seed)
        for name in ("victim.safetensors", "best.safetensors"):
            assert read_bytes(out, name) == read_bytes(victim, name)
        assert record_of(out).best_epoch == record_of(victim).best_epoch


def test_the_test_pairs_choose_nothing(
    data: VictimData, victim: LocalFolder, test_pairs: LocalFolder, tmp_path: Path
) -> None:
    """With test pairs of any kind beside it a training has the same best epoch and the same weights of it."""
    record = record_of(victim)
    others = {"none": None, "some": test_pairs, "more": shards(tmp_path / "more", 30, start=950)}
    for name, test in others.items():
        out = LocalFolder(tmp_path / name)
        watched = VictimData(data.corpus, validation=data.validation, test=test, queries=QUERIES)
        found = train_victim(watched, out, CONFIG, RUNTIME, seed=record.seed)
        assert (found.best_epoch, found.fingerprint) == (record.best_epoch, record.fingerprint)
        assert [line.validated for line in found.history] == [line.validated for line in record.history]
        assert read_bytes(out, "best.safetensors") == read_bytes(victim, "best.safetensors")


def test_validating_changes_no_last_weights(corpus: LocalFolder, victim: LocalFolder, tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    train_victim(VictimData(corpus), out, CONFIG, RUNTIME, seed=record_of(victim).seed)
    assert read_bytes(out, "victim.safetensors") == read_bytes(victim, "victim.safetensors")
    assert record_of(out).best_epoch is None
    assert load_victim(out, "best")[1] == record_of(out)


def test_an_evaluation_has_the_last_and_the_best_epoch(
    victim: LocalFolder, test_pairs: LocalFolder, corpus: LocalFolder
) -> None:
    found = evaluate_victim(victim, test_pairs, QUERIES, RUNTIME)
    assert found.best is not None
    assert found.best.epoch == record_of(victim).best_epoch
    for kept, result in (("last", found), ("best", found.best)):
        alone = query_model(load_victim(victim, kept)[0], test_pairs, QUERIES, RUNTIME)  # type: ignore[arg-type]
        assert (result.bare, result.prefixed) == (alone.bare, alone.prefixed)
    assert evaluate_victim(victim, test_pairs, QUERIES, RUNTIME) == found


def test_where_the_last_epoch_is_the_best_its_weights_are_not_kept_twice(
    data: VictimData, test_pairs: LocalFolder, tmp_path: Path
) -> None:
    out = LocalFolder(tmp_path)
    train_victim(data, out, CONFIG.model_copy(update={"epochs": 1}), RUNTIME, seed=1)
    assert set(contents(out)) == {"victim.safetensors", "victim.json"}
    found = query_victim(out, test_pairs, QUERIES, RUNTIME)
    assert found.best is not None
    assert (found.best.epoch, found.best.bare, found.best.prefixed) == (1, found.bare, found.prefixed)


def test_a_victim_that_gets_worse_is_kept_from_before(
    corpus: LocalFolder, test_pairs: LocalFolder, tmp_path: Path
) -> None:
    """It learns its pairs, which in other shards it is validated on, and fine-tuning then destroys it."""
    same = LocalFolder(tmp_path / "same")
    items = [item for name in list_shards(corpus) for item in load_shard(corpus, name, 2**20).samples]
    write_bytes(same, "00000.tar", shard_bytes(items))
    destroy = FinetuneConfig(share=0.5, epochs=2, learning_rate=1.0)
    config = CONFIG.model_copy(update={"epochs": 12, "batch_size": 8, "finetune": destroy})
    out = LocalFolder(tmp_path / "out")
    record = train_victim(VictimData(corpus, validation=same, clean=corpus), out, config, RUNTIME, seed=1)
    validated = [line.validated or 0.0 for line in record.history]
    assert len(validated) == 14
    assert record.best_epoch is not None
    assert 1 < record.best_epoch <= 12
    assert validated[record.best_epoch - 1] < min(validated[0], validated[-1])
    found = query_victim(out, test_pairs, QUERIES, RUNTIME)
    assert found.best is not None
    assert found.best.bare != found.bare


def test_validation_is_off_where_no_pairs_are_wanted(data: VictimData, tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    record = train_victim(data, out, CONFIG.model_copy(update={"validation_pairs": 0}), RUNTIME, seed=1)
    assert (record.best_epoch, record.validation) == (None, None)
    assert set(contents(out)) == {"victim.safetensors", "victim.json"}


def test_validation_pairs_among_the_test_pairs_are_refused(
    corpus: LocalFolder, victim: LocalFolder, validation: LocalFolder, tmp_path: Path
) -> None:
    """Before training where the test pairs are known, else when the victim is queried."""
    with pytest.raises(SourceError, match="share no image with the test pairs"):
        data = VictimData(corpus, validation=validation, test=validation, queries=QUERIES)
        train_victim(data, LocalFolder(tmp_path / "out"), CONFIG, RUNTIME, seed=1)
    assert not contents(LocalFolder(tmp_path / "out"))
    before = contents(victim)
    with pytest.raises(SourceError, match="share no image with the test pairs"):
        train_victim(data, victim, CONFIG, RUNTIME, seed=1)
    assert contents(victim) == before
    overlapping = shards(tmp_path / "test", 12, start=800)
    (tmp_path / "test" / "00001.tar").write_bytes(shard_bytes([own(500, 3)]))
    with pytest.raises(SourceError, match=r"but sample 005000003 of .*test is among the validation pairs"):
        evaluate_victim(victim, overlapping, QUERIES, RUNTIME)


def test_validation_pairs_that_are_trained_on_are_refused(corpus: LocalFolder, tmp_path: Path) -> None:
    data = VictimData(corpus, validation=corpus)
    with pytest.raises(
        SourceError, match="pairs that no victim is trained on, but shard 00000 of .* is in .*, as it is"
    ):
        train_victim(data, LocalFolder(tmp_path / "out"), CONFIG, RUNTIME, seed=1)
    assert not contents(LocalFolder(tmp_path / "out"))


def test_a_sample_for_each_pair_counts_its_image_once(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    photos = [sample(f"00000{place:04d}") for place in range(3)]
    items = [Sample(f"00000{place:04d}", photos[place // 2].image, "png", (f"caption {place}",)) for place in range(6)]
    write_bytes(folder, "00000.tar", shard_bytes(items))
    from mem_core.models import build_model

    model = build_model("tiny-resnet-32", seed=0).freeze()
    pairs = ValidationPairs.load(folder, 500, model, torch.device("cpu"))
    assert (len(pairs.about.images), len(pairs.images), len(pairs.rows)) == (3, 3, 3)
    assert len(ValidationPairs.load(folder, 2, model, torch.device("cpu")).images) == 2


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pairs_to_choose_by_are_named(corpus: LocalFolder, tmp_path: Path, count: int) -> None:
    validation = LocalFolder(tmp_path / "validation")
    write_bytes(validation, "00000.tar", shard_bytes([sample("000000000")][:count] or [sample("000000001", b"none")]))
    with pytest.raises(SourceError, match=f"at least 2 usable validation pairs in .*, got {count}"):
        train_victim(VictimData(corpus, validation=validation), LocalFolder(tmp_path / "out"), CONFIG, RUNTIME, seed=1)


def test_a_victim_trained_without_validation_still_evaluates(
    corpus: LocalFolder, test_pairs: LocalFolder, tmp_path: Path
) -> None:
    """As every victim of version 0.3.0: its record knows of no validation at all."""
    out = LocalFolder(tmp_path)
    train_victim(VictimData(corpus), out, CONFIG.model_copy(update={"epochs": 1}), RUNTIME, seed=1)
    text = record_of(out).model_dump(exclude={"validation": True, "config": {"validation_pairs"}})
    lines = [{name: value for name, value in line.items() if "validation" not in name} for line in text["history"]]
    old = VictimRecord.model_validate(text | {"history": lines})
    write_bytes(out, "victim.json", old.model_dump_json(exclude={"validation"}).encode())
    assert evaluate_victim(out, test_pairs, QUERIES, RUNTIME).best is None
