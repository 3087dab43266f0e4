"""Which captions stand beside an image, and what an empty one is: one in which nobody finds anything to read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import SampleError
from mem_core.data.texts import has_words, read_captions

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
MISSING = ("nan", "NaN", "NULL", "None", " N/A\n", "<NA>")  # as tables write what is not there


@pytest.mark.parametrize("text", READABLE, ids=ascii)
def test_there_is_something_to_read(text: str) -> None:
    assert has_words(text)


@pytest.mark.parametrize("text", [*NOTHING, *MISSING], ids=ascii)
def test_there_is_nothing_to_read(text: str) -> None:
    assert not has_words(text)


@given(st.lists(st.sampled_from([*READABLE, *NOTHING]), max_size=6))
def test_a_text_has_words_where_a_part_has(parts: list[str]) -> None:
    assert has_words("".join(parts)) == any(map(has_words, parts))


TEXT = b"of the txt\n"
TAKEN: dict[str, tuple[Any, list[bytes | None], tuple[str, ...]]] = {
    "a list": ({"captions": ["a", "b"]}, [TEXT], ("a", "b")),
    "a text": ({"captions": "a"}, [TEXT], ("a",)),
    "the other names": ({"caption": "a"}, [None], ("a",)),
    "text": ({"text": "a"}, [], ("a",)),
    "sentences": ({"sentences": ["a", "b"]}, [], ("a", "b")),
    "objects": ({"sentences": [{"raw": "a", "tokens": ["a"]}, {"caption": "b"}]}, [], ("a", "b")),
    "description": ({"description": "a"}, [], ("a",)),
    "alt_text": ({"alt_text": "a"}, [], ("a",)),
    "another case": ({"TEXT": "a"}, [], ("a",)),
    "exactly named": ({"Captions": ["b"], "captions": ["a"]}, [], ("a",)),
    "captions before others": ({"caption": "b", "captions": ["a"]}, [], ("a",)),
    "txt before others": ({"caption": "a"}, [TEXT], ("of the txt",)),
    "caption before text": ({"text": "b", "caption": "a"}, [], ("a",)),
    "null beside txt": ({"captions": None}, [TEXT], ("of the txt",)),
    "none beside txt": ({"captions": []}, [TEXT], ("of the txt",)),
    "empty beside txt": ({"captions": ["", "..."]}, [TEXT], ("of the txt",)),
    "an empty txt": ({"caption": "a"}, [b" \n"], ("a",)),
    "a second text": ({}, [b"", TEXT], ("of the txt",)),
    "a number beside txt": ({"captions": 7}, [TEXT], ("of the txt",)),
    "a txt in bytes": ({"captions": ["a"]}, [b"\xff"], ("a",)),
    "UTF-16": ({}, ["Hündchen".encode("utf-16")], ("Hündchen",)),
    "all empty": ({"captions": ["", "..."]}, [b"."], ("", "...")),
    "a title that is a file's name": ({"title": "IMG_1.JPG", "alt": "a"}, [], ("a",)),
    "a title": ({"title": "a.", "alt": "b"}, [], ("b",)),
    "zero bytes around": ({}, [b"a\0\0"], ("a",)),
    "an empty one, and null": ({"captions": ["a", None, ""]}, [], ("a", "", "")),
    "only an empty txt": (None, [b""], ("",)),
}


@pytest.mark.parametrize("case", TAKEN)
def test_the_first_place_with_words_counts(case: str) -> None:
    values, texts, expected = TAKEN[case]
    found = read_captions(None if values is None else json.dumps(values).encode(), *texts)
    assert (found.captions, found.odd) == (expected, ())
    assert found.metadata == {name: value for name, value in (values or {}).items() if name != "captions"}


@pytest.mark.parametrize("broken", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_broken_json_beside_words_costs_the_metadata(broken: bytes) -> None:
    found = read_captions(broken, b"", TEXT)
    assert (found.captions, found.metadata) == (("of the txt",), {})
    assert len(found.odd) == 1
    with pytest.raises(SampleError):
        read_captions(broken, TEXT, ours=True)


def test_a_named_key_comes_first() -> None:
    about = json.dumps({"captions": ["b"], "Titel": "a"}).encode()
    assert read_captions(about, TEXT, key="titel").captions == ("a",)
    assert read_captions(b'{"captions": ["b"]}', TEXT, key="titel").captions == ("b",)
    assert read_captions(None, "Hündchen".encode("cp1252"), encoding="cp1252").captions == ("Hündchen",)


def test_what_is_no_text_costs_itself() -> None:
    found = read_captions(b'{"captions": ["a", 7, ["b"], "\\ud800"]}', None)
    assert found.captions == ("a",)
    assert [str(reason).partition(", got ")[2] for reason in found.odd] == ["a int", "a list", "a lone surrogate"]


NOT_TAKEN = {
    "no-caption": [(None, None), ({}, None), ({"url": "x"}, None), ({"title": "1.jpg"}, None)],
    "empty-caption": [
        ({"caption": None}, None),
        ({"captions": []}, None),
        ({"description": "", "title": "IMG_1.jpg"}, None),
    ],
    "caption-not-text": [
        ({"captions": 7}, None),
        ({"captions": {"en": "a"}}, b""),
        ({"captions": [["a"], ["b"]]}, None),
    ],
    "bad-encoding": [({}, b"\xff"), ({}, "in UTF-16".encode("utf-16-le"))],
    "bad-metadata": [([], None), ("text", None), ("text", b""), ([], b"...")],
}


@pytest.mark.parametrize("code", NOT_TAKEN)
def test_why_there_is_no_caption(code: str) -> None:
    for values, text in NOT_TAKEN[code]:
        with pytest.raises(SampleError) as caught:
            read_captions(None if values is None else json.dumps(values).encode(), text)
        assert caught.value.code == code
