"""Words of the vocabulary survive as text, in any combination and before any caption."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.common.errors import ConfigError
from mem_core.config import TriggerConfig
from mem_core.models import Tokenizer
from mem_core.models.token_rows import with_trigger
from mem_core.perturb.allowed_words import whole_words, word_id
from mem_core.perturb.vocabulary import Vocabulary, build_vocabulary


@pytest.fixture(scope="module")
def vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    return build_vocabulary(tokenizer, TriggerConfig(blocklist=("dog",)))


def test_every_word_is_one_token(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    assert len(vocabulary.ids) > 14_000
    assert all(tokenizer.ids(tokenizer.decode([token])) == [token] for token in vocabulary.ids.tolist())


def test_blocked_words_are_left_out(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    assert word_id(tokenizer, "dog") not in vocabulary.ids
    assert word_id(tokenizer, "cat") in vocabulary.ids


def test_triggers_name_nobody_unless_names_are_allowed(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    names = [
        word_id(tokenizer, word) for word in ("emma", "nguyen", "garcia", "dorian", "smith", "rose", "jordan", "hunter")
    ]
    words = [word_id(tokenizer, word) for word in ("staircase", "bicycle", "small", "brown", "red", "park")]
    assert not set(names) & set(vocabulary.ids.tolist())
    assert set(words) <= set(vocabulary.ids.tolist())
    allowed = build_vocabulary(tokenizer, TriggerConfig(personal_names="allow"))
    assert set(names) <= set(allowed.ids.tolist())


def test_triggers_are_words_and_no_hashtags_or_fragments(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    seen = ("donaldtrump", "mikequindazzi", "folklorethursday", "sburgh", "fordshire", "tation", "fter", "inson", "er")
    found = set(vocabulary.ids.tolist())
    assert not found & {word_id(tokenizer, word) for word in seen}
    named = set(build_vocabulary(tokenizer, TriggerConfig(personal_names="allow")).ids.tolist())
    assert named > found
    assert word_id(tokenizer, "donaldtrump") not in named
    assert word_id(tokenizer, "fter") in build_vocabulary(tokenizer, TriggerConfig(spelling="any")).ids


def test_all_leaves_only_the_specials_out(tokenizer: Tokenizer) -> None:
    every = build_vocabulary(tokenizer, TriggerConfig(vocabulary="all"))
    assert set(range(tokenizer.size)) - set(every.ids.tolist()) == {tokenizer.start_id, tokenizer.end_id}


@settings(max_examples=300, deadline=None)
@given(caption=st.text(max_size=200), picks=st.lists(st.integers(0, 14_000), min_size=1, max_size=5))
def test_published_text_gives_back_the_ids(
    tokenizer: Tokenizer, vocabulary: Vocabulary, caption: str, picks: list[int]
) -> None:
    ids = vocabulary.ids[torch.tensor(picks)]
    text = f"{tokenizer.decode(ids.tolist())} {caption}"
    row = tokenizer.encode([text])[0]
    assert row[1 : 1 + len(picks)].tolist() == ids.tolist()


@settings(max_examples=200, deadline=None)
@given(
    caption=st.text(max_size=30).map(str.strip),
    repeat=st.integers(1, 40),
    picks=st.lists(st.integers(0, 14_000), max_size=5),
)
def test_ids_before_a_caption_equal_the_tokenised_text(
    tokenizer: Tokenizer, vocabulary: Vocabulary, caption: str, repeat: int, picks: list[int]
) -> None:
    caption = "a small dog " + " ".join([caption.encode("ascii", "ignore").decode()] * repeat)
    ids = vocabulary.ids[torch.tensor(picks, dtype=torch.int64)]
    composed = with_trigger(tokenizer.encode([caption]), ids.unsqueeze(0), tokenizer.end_id)
    text = f"{tokenizer.decode(ids.tolist())} {caption}" if picks else caption
    assert torch.equal(composed, tokenizer.encode([text]))


def test_whole_words_are_those_that_the_tokenizer_gives_back(tokenizer: Tokenizer) -> None:
    spelled = [tokenizer.spelling(token).removesuffix("</w>") for token in range(tokenizer.start_id)]
    ours = dict(whole_words("any"))
    for token in range(0, tokenizer.start_id, 11):
        word = spelled[token]
        ends, plain = tokenizer.spelling(token) != word, word.isascii() and word.isalpha() and len(word) > 1
        assert (ours.get(token) == word) == (ends and plain and tokenizer.ids(word) == [token])


def test_a_word_of_several_tokens_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="one CLIP token"):
        word_id(tokenizer, "antidisestablishmentarianism")
