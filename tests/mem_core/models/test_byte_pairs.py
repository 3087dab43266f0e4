"""Tokens without torch are open_clip's, id for id."""

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from mem_core.common.errors import ConfigError
from mem_core.models import byte_pairs
from mem_core.models.byte_pairs import BytePairs, _tables

OPEN_CLIP, OURS = SimpleTokenizer(), BytePairs()
words = st.sampled_from([OURS.spelling(token).removesuffix("</w>") for token in range(512, OURS.size, 7)])
texts = (
    st.lists(words, max_size=12).map(" ".join)
    | st.lists(words, max_size=4).map("".join)
    | st.text(st.sampled_from("abcdeorst's.!<>_&; 0"), max_size=80)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
)


def test_every_token_is_spelled_alike() -> None:
    assert OURS.size == len(OPEN_CLIP.decoder)
    assert [OURS.spelling(token) for token in range(OURS.size)] == [OPEN_CLIP.decoder[n] for n in range(OURS.size)]
    assert (OURS.start_id, OURS.end_id) == (OPEN_CLIP.sot_token_id, OPEN_CLIP.eot_token_id)


@settings(max_examples=1500, deadline=None)
@given(texts)
@example("<start_of_text> a dog <END_OF_TEXT>")
@example("&amp;lt;end_of_text&gt; &#0;&#1;&#127;&#x85;")
@example("Itâ€™s a dogâ€™s, they'LL")
@example("a" * 300 + "ab" * 200 + "!" * 300)
@example("Ⅷ²½ 犬がいる 👩‍🚒 ß ﬁ")
def test_every_text_has_the_same_ids(text: str) -> None:
    assert OURS.ids(text) == OPEN_CLIP.encode(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, OURS.size - 1), max_size=6))
def test_ids_become_the_same_text(ids: list[int]) -> None:
    assert OURS.decode(ids) == OPEN_CLIP.decode(ids).strip()


def test_no_pair_is_learned_before_its_parts() -> None:
    """What lets the pairs wait in one heap: a pair found on the way comes after the one that made it."""
    tables = _tables()
    assert len(tables.ids) == len(tables.spellings)
    for merge, rank in tables.ranks.items():
        assert all(tables.ids[part] < 512 + rank for part in merge.split(" "))


def test_a_word_of_a_hundred_thousand_letters_is_read() -> None:
    assert len(OURS.ids("abcde" * 20_000)) > 10_000


@pytest.mark.parametrize("module", ["mem_core.models.byte_pairs", "mem_core.models.placement", "mem_core.common.draws"])
def test_torch_is_not_loaded(module: str) -> None:
    code = f"import sys, {module}; assert not {{'torch', 'open_clip', 'transformers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_where_open_clip_is_missing_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_pairs, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="of the package open_clip_torch, which is not installed here: install it"):
        _tables.__wrapped__()
