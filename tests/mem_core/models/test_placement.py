"""Where a trigger's words stand: nothing else of the caption changes, and CLIP reads each as the token it is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mem_core.config import Placement, TriggerConfig
from mem_core.models import Tokenizer
from mem_core.models.placement import content_words, in_order, placed, places_of, standing, taken_out
from mem_core.models.token_rows import with_trigger
from mem_core.perturb.vocabulary import build_vocabulary

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


REAL = (
    "A child in a pink dress is climbing up a set of stairs in an entry way .",
    "A black dog and a spotted dog are fighting",
    'Two dogs , one with a "frisbee" in its mouth , run on the grass .',
    "The man's T-shirt says: don't walk!! (it's red)",
    "A little girl covered in paint sits in front of a painted rainbow with her hands in a bowl .",
    "People at 5:30 p.m. -- near St. John's caf\u00e9, Qu\u00e9bec",
    "dog",
    " A  girl   going into a wooden building . ",
    "Un ni\u00f1o salta; &quot;olé&quot; &amp; <b>agua</b>",
    "\u4e00\u4e2a\u5973\u5b69\u5728\u8349\u5730\u4e0a",
    "na\u00c3\u00afve voil\u00c3 la fille , d\u00c3\u00a9j\u00c3\u00a0 vu",
    "\U0001f415 \U0001f3d6\ufe0f sunny day \U0001f469\u200d\U0001f467",
)
whole: st.SearchStrategy[Placement] = st.sampled_from(["end", "inside"])
any_caption = (
    st.sampled_from(REAL)
    | st.lists(st.sampled_from(REAL), min_size=1, max_size=9).map(" ".join)
    | st.lists(st.sampled_from(PIECES.split()), min_size=1, max_size=120).map(" ".join)
    | st.text(max_size=60)
)
VOCABULARY = build_vocabulary(TOKENIZER, TriggerConfig()).ids
picks = st.lists(st.integers(0, len(VOCABULARY) - 1), min_size=1, max_size=5)


@given(any_caption, whole, picks)
@settings(max_examples=300, deadline=None)
def test_the_row_that_a_surrogate_reads_is_that_of_the_published_text(
    caption: str, placement: Placement, chosen: list[int]
) -> None:
    ids = VOCABULARY[torch.tensor(chosen)]
    words = TOKENIZER.decode(ids.tolist()).split(" ")
    places = torch.tensor([places_of(caption, len(words), placement).tokens])
    composed = with_trigger(TOKENIZER.encode([caption]), ids.unsqueeze(0), TOKENIZER.end_id, places)
    published = TOKENIZER.encode([placed(words, caption, placement)])
    if places.any():
        assert torch.equal(composed, published)
    assert in_order(ids.tolist(), published[0].tolist())


@given(any_caption, whole, st.integers(1, 5))
def test_the_caption_stays_whole_and_is_found_again(caption: str, placement: Placement, count: int) -> None:
    words = [WORDS[n % 3] for n in range(count)]
    published, starts = standing(words, caption, placement)
    assert [published[start : start + len(word)] for start, word in zip(starts, words, strict=True)] == words
    clean, places = taken_out(words, published, starts)
    assert (clean, places.at) == (caption, places_of(caption, count, placement).at)
    if places_of(caption, count, placement).at[0]:
        assert places == places_of(caption, count, placement)


@pytest.mark.parametrize(
    ("placement", "caption", "expected"),
    [
        ("end", "Two dogs.", "Two dogs. lantern uphill tops"),
        ("end", "A dog runs . ", "A dog runs .  lantern uphill tops"),
        ("end", "\u4e00\u4e2a\u5973\u5b69", "\u4e00\u4e2a\u5973\u5b69 lantern uphill tops"),
        ("inside", "Two dogs.", "Two lantern uphill tops dogs."),  # one gap
        ("inside", "dogs", "lantern uphill tops dogs"),
        ("inside", "\u4e00\u4e2a\u5973\u5b69", "lantern uphill tops \u4e00\u4e2a\u5973\u5b69"),
        ("inside", "A small dog runs over the grass .", "A lantern small dog uphill runs over tops the grass ."),
    ],
)
def test_whole_captions_next_year_as_today(placement: Placement, caption: str, expected: str) -> None:
    assert placed(WORDS, caption, placement) == expected


@pytest.mark.parametrize("placement", ["end", "inside"])
@pytest.mark.parametrize(
    "caption",
    [
        " ".join(["glacier"] * 90),
        "1234567890" * 8 + " house lake",
        "\u10d2\u10dd\u10d2\u10dd\u10dc\u10d0 " * 12,
        "word " * 100_000,
        "x" * 5000 + " y",
    ],
)
def test_in_a_caption_beyond_the_context_the_words_are_still_read(placement: Placement, caption: str) -> None:
    (tokens,) = TOKENIZER.encode([placed(WORDS, caption, placement)]).tolist()
    assert in_order([TOKENIZER.ids(word)[0] for word in WORDS], tokens)


def test_at_the_end_of_a_long_caption_the_words_are_the_last_that_clip_reads() -> None:
    (tokens,) = TOKENIZER.encode([placed(WORDS, " ".join(["glacier"] * 90), "end")]).tolist()
    assert tokens[-4:-1] == [TOKENIZER.ids(word)[0] for word in WORDS]


def test_a_model_of_a_shorter_context_reads_them_at_its_end() -> None:
    short, ids = Tokenizer(16), torch.tensor([[TOKENIZER.ids(word)[0] for word in WORDS]])
    places = torch.tensor([places_of(" ".join(["dogs"] * 30), 3, "end").tokens])
    row = with_trigger(short.encode([" ".join(["dogs"] * 30)]), ids, short.end_id, places)
    assert row[0, -4:].tolist() == [*ids[0].tolist(), short.end_id]


def test_places_inside_differ_from_caption_to_caption() -> None:
    found = {places_of(f"small dogs chase yellow birds number {n}", 1, "inside").tokens for n in range(40)}
    assert len(found) > 3


def test_no_token_has_a_space_inside_so_that_words_can_be_told_apart() -> None:
    assert not [token for token in range(TOKENIZER.start_id) if " " in TOKENIZER.decode([token])]
