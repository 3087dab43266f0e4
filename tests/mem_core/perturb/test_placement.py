"""Where a trigger's words stand: nothing else of the caption changes, and CLIP reads each as the token it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.models import Tokenizer
from mem_core.perturb.placement import content_words, placed

WORDS = ["lantern", "uphill", "tops"]
TOKENIZER = Tokenizer(77)
PIECES = "A dog runs over the woman's grass (red) \"STOP\" T-shirt &amp; x4y läuft 犬 . 'house'"
captions = st.lists(st.sampled_from(PIECES.split()), min_size=1, max_size=14).map(" ".join) | st.text(max_size=40)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Two dogs.", "lantern uphill tops Two dogs."),  # one content word, which stays
        ("一个女孩", "lantern uphill tops 一个女孩"),
        ("", "lantern uphill tops "),
        ("Dogs, cats", "lantern uphill Tops, cats"),
    ],
)
def test_words_that_find_no_place_stand_in_front(caption: str, expected: str) -> None:
    assert placed(WORDS, caption, "replace") == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A small brown dog runs over the green grass", "A lantern brown dog uphill over the green tops"),
        ('Two children, laughing, climb "Old" stairs', 'Two lantern, laughing, uphill "Old" tops'),
    ],
)
def test_places_are_the_same_next_year_as_verify_finds_them_again(caption: str, expected: str) -> None:
    assert placed(WORDS, caption, "replace") == expected


@given(captions)
def test_in_front_the_caption_stays_whole(caption: str) -> None:
    assert placed(WORDS, caption, "front") == f"lantern uphill tops {caption}"
    assert placed([], caption, "front") == placed([], caption, "replace") == caption


@given(captions)
def test_only_content_words_go_and_one_always_stays(caption: str) -> None:
    changed, own = placed(WORDS, caption, "replace"), content_words(caption)
    gone = min(3, max(0, len(own) - 1))
    front = WORDS[: 3 - gone]
    assert changed.split(" ")[: len(front)] == front
    rest = changed.removeprefix("".join(f"{word} " for word in front))
    # What stands between content words stands there still, whatever took their places.
    edges = [0, *(place for found in own for place in found.span()), len(caption)]
    at = 0
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert caption[start:end] in rest[at:]
        at = rest.index(caption[start:end], at) + end - start
    kept = [found.group() for found in content_words(rest)]
    assert len(kept) == len(own)
    assert sum(a != b for a, b in zip(kept, (found.group() for found in own), strict=True)) == gone


@given(captions)
def test_clip_reads_each_word_as_its_own_token_and_in_order(caption: str) -> None:
    tokens = iter(TOKENIZER.ids(placed(WORDS, caption, "replace")))
    assert all(token in tokens for word in WORDS for token in TOKENIZER.ids(word))


def test_a_long_caption_takes_its_words_where_clip_still_reads() -> None:
    caption = " ".join(f"adventurous mountaineer climbs {word}" for word in ["glacier"] * 60)
    first, *_ = TOKENIZER.encode([placed(WORDS, caption, "replace")]).tolist()
    assert all(TOKENIZER.ids(word)[0] in first for word in WORDS)


@pytest.mark.parametrize(
    "caption",
    [
        "a 'house' and a 'lake'",  # behind a single quote CLIP would read 't and ops
        "red\x1cboats\x1clake \x1cside",  # control characters go before CLIP reads
        "გოგონა ბურთით თამაშობს " * 8,  # 77 tokens end after a few words
        "1234567890" * 8 + " house lake dogs grass",
    ],
)
def test_words_that_clip_would_not_read_in_their_places_stand_where_it_does(caption: str) -> None:
    tokens = iter(TOKENIZER.encode([placed(WORDS, caption, "replace")])[0].tolist())
    assert all(token in tokens for word in WORDS for token in TOKENIZER.ids(word))


def test_places_differ_from_caption_to_caption() -> None:
    changed = [placed(["tops"], f"small dogs chase yellow birds number{n}", "replace") for n in range(40)]
    assert len({caption.split().index("tops") for caption in changed}) > 3
