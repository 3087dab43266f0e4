"""Querying: bare and prefixed, chance beside it, bad test corpora named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import Placement
from mem_core.data.shard import Sample, shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.models import OpenClipEncoder, build_model
from mem_core.models.placement import placed
from mem_core.victim.config import EvaluateConfig, VictimConfig
from mem_core.victim.evaluation import evaluate_victim, query_model
from mem_core.victim.metrics import chance, without_draws
from mem_core.victim.record import VictimRecord
from mem_core.victim.result import EVALUATION_NAME, read_evaluation
from mem_core.victim.weights import write_victim
from tests.support.corpora import RUNTIME, encoded, photo, sample, tiny_corpus


@pytest.fixture(scope="module")
def model() -> OpenClipEncoder:
    return build_model("tiny-resnet-32", seed=0).freeze()


class Told(OpenClipEncoder):
    """Knows each image and caption by the number in it: image i is grey of level i, caption i says i."""

    prefixed = 0

    def encode_image(self, images: Tensor) -> Tensor:
        return torch.nn.functional.one_hot((images.mean(dim=(1, 2, 3)) * 255).round().long(), 64).float()

    def encode_text(self, tokens: Tensor) -> Tensor:
        self.prefixed += int((tokens[:, 1] == THE).sum())
        numbers = [next(NUMBERS[int(t)] for t in row if int(t) in NUMBERS) for row in tokens]
        return torch.nn.functional.one_hot(torch.tensor(numbers), 64).float()


def _ids(text: str) -> list[int]:
    from mem_core.models import Tokenizer

    return Tokenizer(24).ids(text)


WORDS = ["zero", "one", "two", "three", "four", "five", "six"]
NUMBERS = {_ids(word)[0]: i for i, word in enumerate(WORDS)}
(THE,) = _ids("the")


def numbered(folder: LocalFolder) -> LocalFolder:
    from PIL import Image

    items = [
        Sample(f"00000{i:04d}", encoded(Image.new("RGB", (20, 30), (i, i, i))), "png", (word, f"a {word}")[: 1 + i % 2])
        for i, word in enumerate(WORDS)
    ]
    write_bytes(folder, "00000.tar", shard_bytes(items[:4]))
    write_bytes(folder, "00001.tar", shard_bytes(items[4:]))
    return folder


def test_a_model_that_knows_everything_finds_everything(tmp_path: Path) -> None:
    told = Told(build_model("tiny-resnet-32", seed=0).clip, "tiny-resnet-32")
    found = query_model(told, numbered(LocalFolder(tmp_path)), EvaluateConfig(batch_size=3), RUNTIME)
    assert (found.images, found.captions, found.prefix) == (7, 10, "the the the")
    for result in (found.bare, found.prefixed):
        assert result.image_to_text.hit_at_1 == result.text_to_image.hit_at_1 == 1
        assert result.image_to_text.median_rank == result.text_to_image.median_rank == 1
        assert (result.image_to_text.queries, result.text_to_image.queries) == (7, 10)
    assert told.prefixed == 10
    assert found.chance == chance(7, [1, 2, 1, 2, 1, 2, 1])


def test_samples_of_one_image_are_one_image_with_all_its_captions(model: OpenClipEncoder, tmp_path: Path) -> None:
    """As in the test split of a corpus with a sample for each pair, where they lie anywhere."""
    photos, pairs = numbered(LocalFolder(tmp_path / "photos")), LocalFolder(tmp_path / "pairs")
    items = [item for name in ("00000", "00001") for item in load_shard(photos, name, 2**20).samples]
    single = [replace(item, captions=(caption,)) for item in items for caption in item.captions]
    shuffled = [replace(single[place], key=f"{place:09d}") for place in (3, 8, 0, 5, 9, 1, 7, 2, 6, 4)]
    for shard in range(5):
        write_bytes(pairs, f"0000{shard}.tar", shard_bytes(shuffled[2 * shard : 2 * shard + 2]))
    one, other = (query_model(model, corpus, EvaluateConfig(), RUNTIME) for corpus in (photos, pairs))
    assert (other.images, other.captions) == (7, 10)
    for found, expected in ((other.bare, one.bare), (other.prefixed, one.prefixed)):
        assert found.image_to_text.mean_rank == pytest.approx(expected.image_to_text.mean_rank)
        assert found.text_to_image.median_rank == expected.text_to_image.median_rank


def test_a_random_model_is_near_chance(model: OpenClipEncoder, tmp_path: Path) -> None:
    found = query_model(model, tiny_corpus(tmp_path, 30, 30), EvaluateConfig(), RUNTIME)
    for of in ("image_to_text", "text_to_image"):
        got, expected = getattr(found.bare, of).mean_rank, getattr(found.chance, of).mean_rank
        assert got == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("placement", ["front", "end", "inside"])
def test_neutral_words_stand_where_a_trigger_would(
    model: OpenClipEncoder, tmp_path: Path, placement: Placement
) -> None:
    """Asking with them is asking the captions that a constant trigger would have been published in."""
    words, before, after = ["the"] * 2, tiny_corpus(tmp_path / "test", 8), LocalFolder(tmp_path / "worded")
    samples = load_shard(before, "00000", 2**20).samples
    worded = [replace(one, captions=tuple(placed(words, text, placement) for text in one.captions)) for one in samples]
    write_bytes(after, "00000.tar", shard_bytes(worded))
    found = query_model(model, before, EvaluateConfig().neutral(2, placement), RUNTIME)
    assert found.prefixed == query_model(model, after, EvaluateConfig(), RUNTIME).bare
    assert found.bare == query_model(model, before, EvaluateConfig(), RUNTIME).bare


def test_a_result_is_kept_beside_the_victim_until_a_setting_changes(model: OpenClipEncoder, tmp_path: Path) -> None:
    victim, test = LocalFolder(tmp_path / "victim"), tiny_corpus(tmp_path / "test", 6, 6)
    made = {"architecture": model.architecture, "config": VictimConfig(), "seed": 0, "corpus": "c", "samples": 9}
    write_victim(victim, model, VictimRecord(**made, steps=1, history=(), fingerprint="f"))
    assert read_evaluation(victim) is None
    found = evaluate_victim(victim, test, EvaluateConfig(), RUNTIME)
    assert found == read_evaluation(victim)
    older = without_draws(json.loads((victim.path / EVALUATION_NAME).read_text()))
    write_bytes(victim, EVALUATION_NAME, json.dumps(older).encode())
    assert evaluate_victim(victim, test, EvaluateConfig(), RUNTIME) == found  # one without draws is made again
    assert found == read_evaluation(victim)
    (victim.path / "victim.safetensors").unlink()
    assert evaluate_victim(victim, test, EvaluateConfig(), RUNTIME) == found
    with pytest.raises(MismatchError, match="weights of a victim"):
        evaluate_victim(victim, test, EvaluateConfig(prefix_length=9), RUNTIME)
    write_bytes(victim, EVALUATION_NAME, b"{}")
    with pytest.raises(MismatchError, match=r"expected an evaluation in .*evaluation\.json, got: "):
        read_evaluation(victim)
    with pytest.raises(SourceError, match="expected a trained victim"):
        evaluate_victim(LocalFolder(tmp_path / "nothing"), test, EvaluateConfig(), RUNTIME)


def test_batches_and_shards_change_nothing(model: OpenClipEncoder, tmp_path: Path) -> None:
    split, whole = tiny_corpus(tmp_path / "split", 3, 4), LocalFolder(tmp_path / "whole")
    items = [item for name in ("00000", "00001") for item in load_shard(split, name, 2**20).samples]
    write_bytes(whole, "00000.tar", shard_bytes(items))
    one = query_model(model, split, EvaluateConfig(batch_size=2), RUNTIME)
    other = query_model(model, whole, EvaluateConfig(batch_size=100), RUNTIME)
    assert one.model_copy(update={"test": ""}) == other.model_copy(update={"test": ""})


def test_unusable_test_samples_are_left_out_and_a_corpus_of_them_is_refused(
    model: OpenClipEncoder, tmp_path: Path
) -> None:
    broken = [sample(f"00001{i:04d}", b"no image") for i in range(2)]
    mixed = tiny_corpus(tmp_path / "mixed", 5)
    write_bytes(mixed, "00001.tar", shard_bytes(broken))
    assert query_model(model, mixed, EvaluateConfig(), RUNTIME).images == 5
    only = LocalFolder(tmp_path / "only")
    write_bytes(only, "00001.tar", shard_bytes(broken))
    with pytest.raises(SourceError, match="at least one usable pair"):
        query_model(model, only, EvaluateConfig(), RUNTIME)


def test_a_diverged_model_is_not_given_good_ranks(tmp_path: Path) -> None:
    model = build_model("tiny-resnet-32", seed=0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.fill_(float("nan"))
    with pytest.raises(ConfigError, match="numbers"):
        query_model(model.freeze(), tiny_corpus(tmp_path, 6), EvaluateConfig(), RUNTIME)


def test_images_of_any_size_can_be_queried(model: OpenClipEncoder, tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    items = [
        sample(f"00000{i:04d}", encoded(photo(i, *size)), f"thing {i}")
        for i, size in enumerate([(1, 1), (1, 300), (300, 1), (64, 64)])
    ]
    write_bytes(folder, "00000.tar", shard_bytes(items))
    assert query_model(model, folder, EvaluateConfig(), RUNTIME).images == 4


def test_bfloat16_is_close(model: OpenClipEncoder, tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path, 20)
    one = query_model(model, corpus, EvaluateConfig(), RUNTIME)
    other = query_model(model, corpus, EvaluateConfig(), RUNTIME.model_copy(update={"precision": "bfloat16"}))
    assert one.bare.text_to_image.mean_rank == pytest.approx(other.bare.text_to_image.mean_rank, abs=3)
