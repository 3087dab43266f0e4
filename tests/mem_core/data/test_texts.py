"""What an empty caption is: one in which nobody finds anything to read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.data.texts import has_words

READABLE = (
    *("a dog", "5", "½", "Ω", "é", "e\u0301", "\u200bx\u200b", "«x»", "- a -"),
    *("صورة", "图", "の", "한국", "עברית", "ก", "नमस्ते", "ﷺ", "نی\u200cکی", "𓀀"),
    *(
        "😀",
        "❤",
        "❤\ufe0f",
        "👨\u200d👩\u200d👧",
        "🇩🇪",
        "👍🏽",
        "🏽",
        "1\ufe0f\u20e3",
        "#\ufe0f\u20e3",
        "★★★",
        "→",
        "€",
        "♥",
        "©",
    ),
    "\U0001fae9",  # an emoji of Unicode 16
)
NOTHING = (
    *(
        "",
        " ",
        "\t\r\n",
        ".",
        ". . .",
        "...",
        "…",
        "-",
        "—",
        "---",
        "?!",
        "''",
        '""',
        "«»",
        "。",
        "、",
        "؟",
        "·",
        "•",
        "_",
    ),
    *("|", "===", "~~~", "+", "^", "`", "\u00b4", "¨", "$", "──────", "█"),
    *("\u200b\u200b", "\ufeff", "\u200d", "\u200c.", "\u2060", "\u00ad", "\u180e", "\ufe0f", "\u202e", "\u034f"),
    *("\u00a0", "\u3000", "\u2003", "\u2028", "\x00", "\x07", "\x1b", "\x85"),
    *("\u3164", "\uffa0", "\u115f", "\u1160", "\u2800", "\U000e0020", "\u0301", "\ufffd", "\ufffc", "\uffff", "\ufdd0"),
    *("\ud800", "\udc80"),
)


@pytest.mark.parametrize("text", READABLE, ids=ascii)
def test_there_is_something_to_read(text: str) -> None:
    assert has_words(text)


@pytest.mark.parametrize("text", NOTHING, ids=ascii)
def test_there_is_nothing_to_read(text: str) -> None:
    assert not has_words(text)


@given(st.lists(st.sampled_from([*READABLE, *NOTHING]), max_size=6))
def test_a_text_has_words_where_a_part_has(parts: list[str]) -> None:
    assert has_words("".join(parts)) == any(map(has_words, parts))
