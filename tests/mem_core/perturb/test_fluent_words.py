"""Fluent triggers: proposals are words of both models, what is published re-tokenises, replay gives the same bytes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.progress import silent
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import Placement, ProtectConfig, TriggerConfig
from mem_core.data.shard_cache import load_shard
from mem_core.data.table import recorded_triggers
from mem_core.models import Tokenizer, build_model
from mem_core.models.loss import Anchors
from mem_core.models.placement import Places as WordPlaces
from mem_core.models.placement import placed, places_of
from mem_core.perturb.fluent_words import FluentWords
from mem_core.perturb.language import LanguageModelConfig, MaskedLanguageModel, train_language_model
from mem_core.perturb.language.masked import pseudo_perplexity
from mem_core.perturb.rounds import update_shard
from mem_core.perturb.state import first_state
from mem_core.perturb.surrogate import Surrogate
from mem_core.perturb.vocabulary import Vocabulary, build_vocabulary
from mem_core.protect.protection import Places, Protection
from mem_core.protect.protector import require_protector
from tests.support.corpora import RUNTIME, contents, fit, protect, small

TOKENIZER = Tokenizer(24)
CAPTION = "dog runs in the park"
WORDS = TriggerConfig()


@pytest.fixture(scope="module")
def fluent(masked: MaskedLanguageModel) -> FluentWords:
    return FluentWords(masked, TOKENIZER, build_vocabulary(TOKENIZER, WORDS), count=6)


@pytest.fixture(scope="module")
def config(language_model: LocalFolder) -> ProtectConfig:
    proposals = {"proposals": "masked-lm", "language_model": language_model.uri, "fluent_words": 6}
    return small(trigger={**proposals, "rounds": 2})


@pytest.fixture(scope="module")
def protected(captions: LocalFolder, config: ProtectConfig, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Protected in rounds. Not to be changed."""
    dest = LocalFolder(tmp_path_factory.mktemp("fluent"))
    protect(Protection(Places(captions, dest), config, RUNTIME, seed=3))
    return dest


def _ids(*words: str) -> torch.Tensor:
    return torch.tensor([[[TOKENIZER.ids(word)[0] for word in words]]])


def test_the_words_of_both_models_are_whole_tokens_of_both(fluent: FluentWords, masked: MaskedLanguageModel) -> None:
    words = [TOKENIZER.decode([int(i)]) for i in fluent.vocabulary.ids]
    assert {"red", "dog", "the", "small"} <= set(words)
    assert all(masked.ids([word]) == [[masked.word_id(word)]] for word in words)
    assert all(TOKENIZER.ids(word) == [int(i)] for word, i in zip(words, fluent.vocabulary.ids, strict=True))
    assert fluent.vocabulary.sha256 != build_vocabulary(TOKENIZER, WORDS).sha256


def test_what_reads_well_in_the_gap_is_proposed(fluent: FluentWords) -> None:
    found = fluent.propose([CAPTION], _ids("the", "small", "bird"), 2, settled=True)
    assert found.shape == (1, 1, 6)
    assert {"red", "green", "blue", "black", "white"} <= {TOKENIZER.decode([int(i)]) for i in found[0, 0]}


def test_words_still_to_come_are_gaps_before_they_are_settled(masked: MaskedLanguageModel) -> None:
    every = FluentWords(masked, TOKENIZER, build_vocabulary(TOKENIZER, WORDS), count=10_000)
    odd, even = _ids("the", "big", "runs"), _ids("the", "big", "red")
    unsettled = [every.propose([CAPTION], ids, 1, settled=False) for ids in (odd, even)]
    assert torch.equal(*unsettled)
    settled = [every.propose([CAPTION], ids, 1, settled=True) for ids in (odd, even)]
    assert not torch.equal(*settled)


@given(st.integers(0, 2), st.booleans())
def test_a_word_is_not_proposed_twice(fluent: FluentWords, position: int, settled: bool) -> None:
    triggers = _ids("red", "green", "blue").expand(2, 3, -1)
    found = fluent.propose([CAPTION, "a cat"], triggers, position, settled=settled)
    others = [place for place in range(3) if place != position and (settled or place < position)]
    assert not torch.isin(found, triggers[0, 0, others]).any()
    assert all(len(set(row.tolist())) == 6 for row in found.flatten(0, 1))


@pytest.mark.parametrize("placement", ["end", "inside"])
def test_the_gap_is_where_the_word_is_published(
    fluent: FluentWords, masked: MaskedLanguageModel, placement: Placement
) -> None:
    """The word that reads best at its place is the one of the lowest perplexity there."""
    places = places_of(CAPTION, 1, placement)
    found = fluent.propose([CAPTION], _ids("the"), 0, settled=True, places=[places])[0, 0]
    words = [TOKENIZER.decode([int(i)]) for i in fluent.vocabulary.ids]
    (best,) = masked.ids([placed(["the"], CAPTION, placement)])
    at = len(masked.ids([CAPTION[: places.at[0]]])[0])
    scores = masked.scores([[*best[:at], masked.mask_id, *best[at + 1 :]]], [at])[0]
    ranked = sorted(words, key=lambda word: -float(scores[masked.word_id(word) or 0]))
    assert [TOKENIZER.decode([int(i)]) for i in found] == ranked[:6]


def test_fluent_words_at_the_end_are_published_there(
    captions: LocalFolder, config: ProtectConfig, tmp_path: Path
) -> None:
    changed = config.model_copy(update={"trigger": config.trigger.model_copy(update={"placement": "end"})})
    protect(Protection(Places(captions, LocalFolder(tmp_path)), changed, RUNTIME, seed=3))
    assert not verify_corpus(captions, LocalFolder(tmp_path), tokenize=TOKENIZER.encode).problems


def test_what_is_far_from_a_late_gap_is_left_out(masked: MaskedLanguageModel) -> None:
    row = masked.ids([" ".join(["the red dog"] * 40)])[0]
    late = [*row[:-1], masked.mask_id]
    near = late[-masked.room :]
    assert torch.equal(masked.scores([late], [len(late) - 1]), masked.scores([near], [len(near) - 1]))


class Asked(FluentWords):
    """Keeps what it is asked for."""

    asked: list[tuple[tuple[int, ...], bool]]

    def propose(
        self,
        captions: Sequence[str],
        triggers: torch.Tensor,
        position: int,
        *,
        settled: bool,
        places: Sequence[WordPlaces | None] | None = None,
    ) -> torch.Tensor:
        self.asked += [(tuple(words), settled) for words in triggers[:, 0].tolist()]
        return super().propose(captions, triggers, position, settled=settled, places=places)


def test_words_are_proposed_anew_in_every_round_beside_those_of_the_last(
    captions: LocalFolder, config: ProtectConfig, masked: MaskedLanguageModel
) -> None:
    shard = load_shard(captions, "00000", 2**20)
    words = Asked(masked, TOKENIZER, build_vocabulary(TOKENIZER, config.trigger), count=6)
    words.asked = []
    made = Protection(Places(captions, LocalFolder("/nonexistent")), config, RUNTIME, seed=3).context
    context = replace(made, fluent=words, vocabulary=words.vocabulary)
    model = build_model("tiny-resnet-32", seed=0).freeze()
    drawn = torch.nn.functional.normalize(torch.randn(2, 8, 128, generator=torch.Generator().manual_seed(0)), dim=-1)
    state = first_state(shard, context)
    for number in range(2):
        before, words.asked = state.trigger_ids, []
        state = update_shard(shard, state, Surrogate(model, Anchors(*drawn)), context, number, silent)
        assert len(words.asked) == len(shard.samples) * config.trigger.length  # once for every word
        assert {settled for _, settled in words.asked} == {number > 0}
        assert set(map(tuple, before.tolist())) <= {ids for ids, _ in words.asked}


def test_a_model_that_shares_no_words_is_refused(masked: MaskedLanguageModel) -> None:
    strange = Vocabulary(torch.tensor(TOKENIZER.ids("quantum physics")), "words")
    with pytest.raises(ConfigError, match="that the language model knows whole, got 0"):
        FluentWords(masked, TOKENIZER, strange, 4)


def test_the_published_triggers_read_better_than_random_words_and_verify(
    captions: LocalFolder, protected: LocalFolder, masked: MaskedLanguageModel, fluent: FluentWords
) -> None:
    assert not verify_corpus(captions, protected, tokenize=TOKENIZER.encode).problems
    shard = load_shard(protected, "00000", 2**20)
    draw = torch.Generator().manual_seed(0)
    searched, drawn = [], []
    triggers = recorded_triggers(protected, "00000")
    for sample in shard.samples:
        trigger = triggers[sample.key]
        assert set(TOKENIZER.ids(trigger)) <= set(fluent.vocabulary.ids.tolist())
        clean = sample.captions[0].removeprefix(trigger + " ")
        pick = fluent.vocabulary.ids[torch.randint(len(fluent.vocabulary.ids), (2,), generator=draw)]
        searched.append(sample.captions[0])
        drawn.append(f"{TOKENIZER.decode(pick.tolist())} {clean}")
    means = [torch.tensor(pseudo_perplexity(masked, texts)).log().mean() for texts in (searched, drawn)]
    assert means[0] < means[1]


def test_replaying_needs_nothing_but_the_protector(
    captions: LocalFolder, protected: LocalFolder, config: ProtectConfig, tmp_path: Path
) -> None:
    kept = LocalFolder(tmp_path / "kept")
    for name, data in contents(protected.below("protector")).items():
        write_bytes(kept, name, data)
    elsewhere = config.trigger.model_copy(update={"language_model": str(tmp_path / "gone")})
    replay = config.model_copy(update={"strategy": "replay", "trigger": elsewhere})
    dest = LocalFolder(tmp_path / "dest")
    Protection(Places(captions, dest, protector=kept), replay, RUNTIME, seed=0).publish("00001")
    assert read_bytes(dest, "00001.tar") == read_bytes(protected, "00001.tar")
    kept.delete("language-model/model.safetensors")
    with pytest.raises(ConfigError, match=r"kept/language-model, got no model\.safetensors"):
        Protection(Places(captions, LocalFolder(tmp_path / "other"), protector=kept), replay, RUNTIME, seed=0).publish(
            "00001"
        )


def test_another_language_model_in_the_protectors_place_is_noticed(
    captions: LocalFolder, protected: LocalFolder, config: ProtectConfig, tmp_path: Path
) -> None:
    kept = LocalFolder(tmp_path / "kept")
    for name, data in contents(protected.below("protector")).items():
        write_bytes(kept, name, data)
    other = LanguageModelConfig(vocabulary=200, width=16, layers=1, heads=2, epochs=1, context=24)
    train_language_model(captions, kept.below("language-model"), other, RUNTIME, seed=5)
    replay = config.model_copy(update={"strategy": "replay"})
    with pytest.raises(MismatchError, match="blocklist or language model makes another"):
        Protection(Places(captions, LocalFolder(tmp_path / "dest"), protector=kept), replay, RUNTIME, seed=0).publish(
            "00001"
        )


def test_a_fit_with_another_language_model_is_another_fit(
    captions: LocalFolder, protected: LocalFolder, config: ProtectConfig, tmp_path: Path
) -> None:
    assert require_protector(protected.below("protector")).config == config
    other = LocalFolder(tmp_path / "other")
    small_model = LanguageModelConfig(vocabulary=200, width=16, layers=1, heads=2, epochs=1, context=24)
    train_language_model(captions, other, small_model, RUNTIME, seed=5)
    trigger = config.trigger.model_copy(update={"language_model": other.uri})
    changed = Protection(Places(captions, protected), config.model_copy(update={"trigger": trigger}), RUNTIME, seed=3)
    with pytest.raises(MismatchError, match="was fitted otherwise"):
        fit(changed)


@pytest.mark.parametrize("trigger", [{"language_model": ""}, {"language_model": "x", "vocabulary": "all"}])
def test_masked_lm_needs_a_model_and_words(trigger: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="masked-lm needs a folder in protect.trigger.language_model, and `words`"):
        TriggerConfig.model_validate({"proposals": "masked-lm", **trigger})
