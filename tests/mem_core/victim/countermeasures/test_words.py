"""Laws of what is done to captions."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mem_core.victim.countermeasures.words import (
    DropWords,
    KeepCommon,
    ShuffleWords,
    StripFirst,
    StripLast,
    frequent_words,
)

words = st.text(st.sampled_from("abcdefxyz.,1"), min_size=1, max_size=8)
sentences = st.lists(words, min_size=1, max_size=12).map(" ".join)
captions = st.lists(sentences, min_size=1, max_size=5).map(tuple)
draws = st.integers().map(Random)


def is_part(short: list[str], long: list[str]) -> bool:
    """Whether the words of one come in the other, in their order."""
    rest = iter(long)
    return all(word in rest for word in short)


@given(captions, draws)
def test_every_caption_keeps_words_of_its_own_in_their_order(own: tuple[str, ...], draw: Random) -> None:
    for one in (StripFirst(words=2), StripLast(words=2), KeepCommon(common=50), DropWords(share=0.9)):
        found = one.text(own, draw)
        assert len(found) == len(own)
        for before, after in zip(own, found, strict=True):
            assert after.split()
            assert is_part(after.split(), before.split())


@given(sentences, st.integers(1, 5))
def test_what_was_put_in_front_is_gone(sentence: str, count: int) -> None:
    trigger = " ".join(["marsh", "dorian", "tops", "zebra", "quay"][:count])
    assert StripFirst(words=count).text((f"{trigger} {sentence}",), Random(0)) == (sentence,)


@given(sentences, st.integers(1, 5))
def test_what_was_put_at_the_end_is_gone(sentence: str, count: int) -> None:
    trigger = " ".join(["marsh", "dorian", "tops", "zebra", "quay"][:count])
    assert StripLast(words=count).text((f"{sentence} {trigger}",), Random(0)) == (sentence,)


@given(captions)
def test_stripping_twice_is_stripping_twice_as_much(own: tuple[str, ...]) -> None:
    draw = Random(0)
    once = StripFirst(words=2)
    assert once.text(once.text(own, draw), draw) == StripFirst(words=4).text(own, draw)


@given(captions)
def test_keeping_common_words_twice_is_keeping_them_once(own: tuple[str, ...]) -> None:
    one, draw = KeepCommon(common=500), Random(0)
    found = one.text(own, draw)
    assert one.text(found, draw) == found


def test_rare_words_go_wherever_they_stand() -> None:
    caption = "A man in a dorian red shirt , and 2 quetzalcoatl dogs."
    assert KeepCommon().text((caption, "quetzalcoatl"), Random(0)) == (
        "A man in a red shirt , and 2 dogs.",
        "quetzalcoatl",
    )
    assert {"the", "dog", "man"} <= frequent_words(1000) < frequent_words(2000)


@given(captions, draws)
def test_shuffling_keeps_every_word(own: tuple[str, ...], draw: Random) -> None:
    found = ShuffleWords().text(own, draw)
    assert [sorted(caption.split()) for caption in found] == [sorted(caption.split()) for caption in own]


@given(captions)
def test_nothing_dropped_is_nothing_changed(own: tuple[str, ...]) -> None:
    assert DropWords(share=0).text(own, Random(0)) == own


def test_as_many_words_are_dropped_as_asked_for() -> None:
    (found,) = DropWords(share=0.3).text((" ".join(map(str, range(2000))),), Random(0))
    assert 1330 < len(found.split()) < 1470
