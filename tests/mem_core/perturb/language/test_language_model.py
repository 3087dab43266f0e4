"""The small masked language model: equal bytes however often killed, a judge of word order, a sentence for the rest."""

import json
import multiprocessing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.data.shard import shard_bytes
from mem_core.perturb.language import (
    MaskedLanguageModel,
    load_language_model,
    open_language_model,
    train_language_model,
)
from mem_core.perturb.language.masked import FILES, pseudo_perplexity
from tests.support.corpora import RUNTIME, Cut, Failing, contents, tiny_corpus
from tests.support.language_making import CONFIG, caption_corpus

CPU = torch.device("cpu")


def _copied(folder: LocalFolder, path: Path) -> LocalFolder:
    copy = LocalFolder(path)
    for name, data in contents(folder).items():
        write_bytes(copy, name, data)
    return copy


def test_a_training_killed_after_every_epoch_gives_the_same_files(
    captions: LocalFolder, language_model: LocalFolder, tmp_path: Path
) -> None:
    short = CONFIG.model_copy(update={"epochs": 3})
    whole, out = LocalFolder(tmp_path / "whole"), LocalFolder(tmp_path / "killed")
    record = train_language_model(captions, whole, short, RUNTIME, seed=1)
    for _ in range(2):
        with pytest.raises(Cut):  # the first write of each attempt is kept, the second fails: one epoch an attempt
            train_language_model(captions, Failing(out, 2), short, RUNTIME, seed=1)
    train_language_model(captions, out, short, RUNTIME, seed=1)
    assert contents(out) == contents(whole)
    assert set(contents(out)) == {*FILES, "language-model.json"}
    assert record.losses[-1] < record.losses[0]


def test_a_finished_model_is_left_alone_and_another_seed_makes_another(
    captions: LocalFolder, language_model: LocalFolder, tmp_path: Path
) -> None:
    before = contents(language_model)
    train_language_model(captions, language_model, CONFIG, RUNTIME, seed=1)
    assert contents(language_model) == before
    one_epoch = CONFIG.model_copy(update={"epochs": 1})
    other = LocalFolder(tmp_path / "other")
    train_language_model(captions, other, one_epoch, RUNTIME, seed=2)
    train_language_model(captions, other, one_epoch, RUNTIME, seed=3)  # in its place
    assert read_bytes(other, "model.safetensors") != read_bytes(language_model, "model.safetensors")


def test_a_process_started_by_another_trains_the_same_model(
    captions: LocalFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_epoch = CONFIG.model_copy(update={"epochs": 1})
    here, there = LocalFolder(tmp_path / "here"), LocalFolder(tmp_path / "there")
    train_language_model(captions, here, one_epoch, RUNTIME, seed=1)
    monkeypatch.setattr(multiprocessing.current_process(), "name", "SpawnProcess-1")
    train_language_model(captions, there, one_epoch, RUNTIME, seed=1)
    assert contents(there) == contents(here)


def test_a_batch_of_few_words_asks_for_one_at_least(tmp_path: Path) -> None:
    """One caption a batch and a hundredth of its words: without that most batches would have no loss at all."""
    corpus = caption_corpus(tmp_path / "corpus", shards=1, captions=1)
    config = CONFIG.model_copy(update={"epochs": 1, "batch_size": 1, "masked": 0.01})
    (loss,) = train_language_model(corpus, LocalFolder(tmp_path / "out"), config, RUNTIME, seed=1).losses
    assert 0 < loss < 10


def test_the_order_of_shards_changes_nothing(captions: LocalFolder, tmp_path: Path) -> None:
    swapped = caption_corpus(tmp_path / "swapped", backwards=True)
    config = CONFIG.model_copy(update={"epochs": 1})
    made = [LocalFolder(tmp_path / name) for name in ("a", "b")]
    for corpus, out in zip((captions, swapped), made, strict=True):
        train_language_model(corpus, out, config, RUNTIME, seed=1)
    assert all(read_bytes(made[0], name) == read_bytes(made[1], name) for name in FILES)


def test_what_stands_in_a_gap_is_known(masked: MaskedLanguageModel) -> None:
    (text,) = masked.ids(["a small red dog runs in the park"])
    gap = [*text[:2], masked.mask_id, *text[3:]]
    scores = masked.scores([gap], [2])[0]
    assert scores.exp().sum().item() == pytest.approx(1, abs=1e-4)
    best = {int(i) for i in scores.topk(5).indices}
    assert best == {masked.word_id(word) for word in ("red", "green", "blue", "black", "white")}


def test_rows_of_any_length_are_scored_as_if_alone(masked: MaskedLanguageModel) -> None:
    rows = [[masked.mask_id], *masked.ids(["a red dog", "the old black horse waits in the street"])]
    together = masked.scores(rows, [0, 1, 2])
    for place, (row, where) in enumerate(zip(rows, [0, 1, 2], strict=True)):
        torch.testing.assert_close(masked.scores([row], [where])[0], together[place], atol=1e-5, rtol=1e-5)


def test_a_sentence_reads_better_than_its_words_shuffled(masked: MaskedLanguageModel) -> None:
    good = ["a small red dog runs in the park", "the old black horse waits in the street"]
    bad = ["park red the a runs small in dog", "street in black the waits old horse the"]
    scores = pseudo_perplexity(masked, [*good, *bad])
    assert max(scores[:2]) < min(scores[2:]) / 3
    assert pseudo_perplexity(masked, good[1:]) == pytest.approx(scores[1:2], rel=1e-4)
    with pytest.raises(ValueError, match="expected words to score"):
        pseudo_perplexity(masked, ["a dog", " "])


def test_pseudo_perplexity_is_what_its_definition_says(masked: MaskedLanguageModel) -> None:
    (text,) = masked.ids(["the big bird"])
    logs = []
    for place, token in enumerate(text):
        gap = [*text[:place], masked.mask_id, *text[place + 1 :]]
        logs.append(masked.scores([gap], [place])[0, token])
    wanted = torch.stack(logs).mean().neg().exp().item()
    assert pseudo_perplexity(masked, ["the big bird"])[0] == pytest.approx(wanted, rel=1e-5)


def test_of_a_long_text_as_much_counts_as_the_model_looks_at(masked: MaskedLanguageModel) -> None:
    long = " ".join(["the small red dog runs"] * 20)
    (text,) = masked.ids([long])
    assert len(text) > masked.room == CONFIG.context - 2
    kept = " ".join(long.split()[: masked.room])
    assert pseudo_perplexity(masked, [long]) == pytest.approx(pseudo_perplexity(masked, [kept]), rel=1e-5)


def test_a_corpus_without_captions_is_refused(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path / "corpus", 1)
    write_bytes(corpus, "00000.tar", shard_bytes([]))
    with pytest.raises(SourceError, match="expected captions to learn from"):
        train_language_model(corpus, LocalFolder(tmp_path / "out"), CONFIG, RUNTIME, seed=1)


@pytest.mark.parametrize(
    ("damage", "error", "sentence"),
    [
        ("no weights", ConfigError, r"got no model\.safetensors"),
        ("cut", MismatchError, "expected a masked language model in"),
        ("foreign weights", MismatchError, "but some are missing"),
        ("no json", MismatchError, "expected a masked language model in"),
        ("no tokenizer", MismatchError, "expected a tokenizer in"),
        ("other tokens", ConfigError, "expected BERT's WordPiece tokens in .*got one without"),
        ("a pickle beside", ConfigError, r"got no model\.safetensors"),
    ],
)
def test_what_is_no_language_model_has_a_sentence(
    language_model: LocalFolder, tmp_path: Path, damage: str, error: type[Exception], sentence: str
) -> None:
    folder = _copied(language_model, tmp_path / "copy")
    weights = read_bytes(folder, "model.safetensors")
    if damage in ("no weights", "a pickle beside"):
        folder.delete("model.safetensors")
    if damage == "a pickle beside":
        write_bytes(folder, "pytorch_model.bin", b"\x80\x04.")
    elif damage == "cut":
        write_bytes(folder, "model.safetensors", weights[: len(weights) // 2])
    elif damage == "foreign weights":
        some = dict(list(load(weights).items())[:2])
        write_bytes(folder, "model.safetensors", save(some, metadata={"format": "pt"}))
    elif damage == "no json":
        write_bytes(folder, "config.json", b"{")
    elif damage == "no tokenizer":
        write_bytes(folder, "tokenizer.json", b"[]")
    elif damage == "other tokens":
        text = json.loads(read_bytes(folder, "tokenizer.json"))
        text["model"]["vocab"]["<mask>"] = text["model"]["vocab"].pop("[MASK]")
        text["added_tokens"] = [token for token in text["added_tokens"] if token["content"] != "[MASK]"]
        write_bytes(folder, "tokenizer.json", json.dumps(text).encode())
    with pytest.raises(error, match=sentence):
        load_language_model(folder, CPU)


def test_a_name_that_nobody_has_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"got 'no such/model/anywhere'") as caught:
        open_language_model("no such/model/anywhere")
    assert caught.value.hint == "train a language model"
    assert open_language_model(str(tmp_path)).uri == str(tmp_path)


def test_a_damaged_record_is_named(captions: LocalFolder, tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    write_bytes(out, "language-model.json", b"{}")
    with pytest.raises(MismatchError, match=r"language-model\.json"):
        train_language_model(captions, out, CONFIG, RUNTIME, seed=1)


def test_captions_are_the_ones_of_the_corpus(tmp_path: Path) -> None:
    corpus = caption_corpus(tmp_path / "corpus", shards=1, captions=2)
    record = train_language_model(
        corpus, LocalFolder(tmp_path / "out"), CONFIG.model_copy(update={"epochs": 1}), RUNTIME, seed=0
    )
    assert 20 <= record.captions <= 24  # some sentences are drawn twice
    assert record.tokens <= CONFIG.vocabulary
