"""Topics: what captions fall into, learned by counting and told apart by one caption alone."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mem_core.common.errors import SourceError
from mem_core.models import Tokenizer
from mem_core.models.device import cpu_threads
from mem_core.perturb.codebook import Topics, caption_words
from mem_core.perturb.learn_topics import learn_topics

TOKENIZER = Tokenizer(77)
SUBJECTS = (("dog", "grass", "ball"), ("snow", "mountain", "ski"), ("guitar", "stage", "crowd"))


def planted(count: int) -> list[tuple[str, ...]]:
    """Images about one of three subjects in turn, with two captions of two of its words each."""
    return [
        tuple(f"a {SUBJECTS[i % 3][n % 3]} and the {SUBJECTS[i % 3][(n + 1) % 3]}" for n in (i // 3, i // 3 + 1))
        for i in range(count)
    ]


def test_subjects_without_a_word_in_common_become_the_topics() -> None:
    texts = planted(30)
    topics = learn_topics(texts, 3, TOKENIZER, seed=1)
    found = [topics.of(captions, TOKENIZER) for captions in texts]
    assert found == found[:3] * 10
    assert sorted(found[:3]) == [0, 1, 2]
    assert [topics.of(captions[:1], TOKENIZER) for captions in texts] == found
    assert topics.of(("the dog is on a stage, a stage for ski, with a guitar",), TOKENIZER) == found[2]


def test_a_topic_is_that_of_the_largest_sum_of_weights() -> None:
    topics = learn_topics(planted(30), 3, TOKENIZER, seed=1)
    captions = ("a dog in snow", "the dog", "snow, mountain")
    counts = Counter(token for caption in captions for token in set(TOKENIZER.ids(caption)))
    slow = [
        sum(topics.weights[token][k] * times / 3 for token, times in counts.items() if token in topics.weights)
        for k in range(3)
    ]
    assert math.isclose(slow[topics.of(captions, TOKENIZER)], max(slow))


def test_words_of_every_image_and_unknown_words_say_nothing() -> None:
    topics = learn_topics([("a red dog",), ("a red cat",)] * 4, 2, TOKENIZER, seed=0)
    assert topics.weights[TOKENIZER.ids("red")[0]] == (0.0, 0.0)
    assert topics.of(("zebra",), TOKENIZER) == 0


def test_words_of_the_captions_are_those_that_they_use_and_that_say_something() -> None:
    topics = learn_topics(planted(30), 3, TOKENIZER, seed=1)
    allowed = [TOKENIZER.ids(word)[0] for word in ("the", "dog", "stage", "zebra")]
    found = caption_words(topics, allowed, TOKENIZER)
    assert found == [TOKENIZER.ids(word)[0] for word in ("dog", "stage")]


@given(st.lists(st.lists(st.sampled_from(["dog", "cat", "snow", "red"]), min_size=1), min_size=1, max_size=6))
def test_any_corpus_has_topics_fewer_images_than_topics_too(words: list[list[str]]) -> None:
    texts = [(" ".join(one),) for one in words]
    found = Counter(word for one in words for word in set(one))
    if not any(1 < times < len(words) for times in found.values()):
        with pytest.raises(SourceError, match="captions that differ, to learn topics from"):
            learn_topics(texts, 4, TOKENIZER, seed=2)
        return
    topics = learn_topics(texts, 4, TOKENIZER, seed=2)
    assert all(0 <= topics.of(captions, TOKENIZER) < 4 for captions in texts)
    assert all(math.isfinite(value) for weights in topics.weights.values() for value in weights)


def test_topics_that_were_cut_are_none() -> None:
    for weights in ({}, {5: (0.1, 0.2), 6: (0.1,)}):
        with pytest.raises(ValidationError):
            Topics(weights=weights)


def test_topics_are_the_same_from_their_json_and_with_any_number_of_threads() -> None:
    texts = planted(90)
    topics = learn_topics(texts, 3, TOKENIZER, seed=4)
    assert Topics.model_validate_json(topics.model_dump_json()) == topics
    with cpu_threads(2):
        assert learn_topics(texts, 3, TOKENIZER, seed=4) == topics
        assert torch.get_num_threads() == 2
