"""Where trigger words go in a caption: in front of it, at its end, inside it, or substituted for words of it.

The paper (section 3.3) allows any position and takes the front. Words put in front, at the end or inside leave the
caption whole, and a surrogate can read them where they will be published. Dropping words in front, or at the end, costs
a trainer nothing. What was substituted is gone for good, and nothing says where; the price is that the caption is no
longer right.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from mem_core.common.draws import integers, permutation
from mem_core.config.values import Placement
from mem_core.models.byte_pairs import BytePairs

_REACH = 24  # content words that places are drawn among: a long caption is cut by CLIP's context, its start is not
_CONTEXT = 77  # CLIP's own, start and end token among them
_HEAD = 2000  # characters of a caption that places are looked for in: more than CLIP's context holds
_GAP = re.compile(r"(?<=\S) +(?=\S*\w)")  # between two words; other white space is part of what CLIP may repair
_MOST_REMEMBERED = 512  # characters of a caption whose places are remembered, which bounds the memory
_PROBE = "the"  # any word that is one token
# Letters between spaces and marks, so that the word which comes in is read as the same token there. Not behind a single
# quote: to CLIP that and the start of many a word are one token ('s, 't, 'll).
_WORD = re.compile(r"(?<![^\s\"(\[])[^\W\d_]{3,}(?=[.,;:!?\"')\]]*(?:\s|$))")
_SAYS_LITTLE = (
    "about above across after against all along also among and another any are around away back because been "
    "before behind being below beneath beside besides between both but can come could did does down during each "
    "for from had has have her here hers him his how inside into its itself just like may might must near next "
    "nor not off once one onto other our out outside over own past she should since some such than that the their "
    "them then there these they this those through toward towards two under until upon very was were what when "
    "where which while who whom whose why will with within without would you your"
)
_FUNCTION_WORDS = frozenset(_SAYS_LITTLE.split())


@dataclass(frozen=True)
class Places:
    """Where each trigger word goes in a caption, from left to right: before which character, behind how many tokens."""

    at: tuple[int, ...]
    tokens: tuple[int, ...]


def placed(words: Sequence[str], caption: str, placement: Placement) -> str:
    """The caption with the trigger words: a function of both and of CLIP's tokenizer.

    `replace`: each word takes the place of a content word, at places drawn from the caption's own text, in their order.
    One content word always stays, and trigger words that find no place go in front. Where CLIP would not read them all
    (beyond its context, or because its clean-up of text joins words there) places nearer to the start are taken.
    Elsewhere the caption stays whole: see `standing` and `places_of`.
    """
    if placement != "replace":
        return standing(words, caption, placement)[0]
    found = content_words(caption)[:_REACH]
    changed = _filled(words, caption, found)
    while len(found) > 1 and not _reads(words, changed):
        found = found[: len(found) // 2]
        changed = _filled(words, caption, found)
    return changed


def published_caption(trigger: str, caption: str, placement: Placement) -> str:
    """The caption with the words of a trigger that is given as text; "" adds none."""
    return placed(trigger.split(" ") if trigger else (), caption, placement)


def spelled(ids: Sequence[int], tokenizer: BytePairs, placement: Placement) -> str:
    """A trigger as text: each id a word of its own, but those in front together, where pieces make words."""
    if placement == "front":
        return tokenizer.decode(ids) if ids else ""
    return " ".join(tokenizer.decode([token]) for token in ids)


def standing(words: Sequence[str], caption: str, placement: Placement) -> tuple[str, list[int]]:
    """The caption with the words put into it, and the character at which each of them begins."""
    return _with_words(words, caption, places_of(caption, len(words), placement).at)


def taken_out(words: Sequence[str], published: str, starts: Sequence[int]) -> tuple[str, Places]:
    """The caption that `standing` put the words into, and their places in it."""
    before = [0, *accumulate(len(word) + 1 for word in words)]  # characters that the words before one take
    at: list[int] = []
    for number, (word, start) in reversed(list(enumerate(zip(words, starts, strict=True)))):
        first = start - (start > 0 and start + len(word) == len(published))  # behind the end, its space is before it
        published = published[:first] + published[first + len(word) + 1 :]
        at.insert(0, first - before[number])
    tokens = [len(BytePairs().ids(published[:place])) for place in at]
    return published, Places(tuple(at), tuple(tokens))


def places_of(caption: str, count: int, placement: Placement) -> Places:
    """The places of `count` words in a caption that stays whole: a function of its text alone, whatever the words are.

    CLIP reads every word there, as a token of its own, and the caption's tokens around them are as without them. `end`:
    behind the caption; of one too long for CLIP's context at the last gap between words that it still reads. `inside`:
    at gaps drawn from the caption's own text, several words at one where it has few; of one too long in its first part.
    Words stand in front where there is no such place: in languages without spaces, or in text that CLIP repairs.
    """
    return (_remembered if len(caption) <= _MOST_REMEMBERED else _places_of)(caption, count, placement)


def _places_of(caption: str, count: int, placement: Placement) -> Places:
    front = Places((0,) * count, (0,) * count)
    if placement == "front" or not count:
        return front
    found = _at_the_end(caption, count) if placement == "end" else _inside(caption, count)
    return found or front


_remembered = lru_cache(maxsize=2**16)(_places_of)


def _at_the_end(caption: str, count: int) -> Places | None:
    whole = _read_at(caption, (len(caption),) * count)
    if whole:
        return whole
    tokenizer, gaps = BytePairs(), _gaps(caption)
    fitting = bisect_right(gaps, _CONTEXT - 2 - count, key=lambda place: len(tokenizer.ids(caption[:place])))
    return _read_at(caption, (gaps[fitting - 1],) * count) if fitting else None


def _inside(caption: str, count: int) -> Places | None:
    gaps = _gaps(caption)
    while gaps:
        drawn = sorted(integers(len(gaps), count, 0, "inside", caption))
        found = _read_at(caption, tuple(gaps[place] for place in drawn))
        if found:
            return found
        gaps = gaps[: len(gaps) // 2]
    return None


def _gaps(caption: str) -> list[int]:
    """Where the words behind the gaps between words begin."""
    return [gap.end() for gap in _GAP.finditer(caption[:_HEAD])]


def _read_at(caption: str, at: tuple[int, ...]) -> Places | None:
    """The places, if CLIP reads words there as tokens of their own among those of the caption, within its context."""
    if at[-1] > _HEAD:
        return None
    tokenizer, head = BytePairs(), caption[:_HEAD]
    before = [len(tokenizer.ids(head[:place])) for place in at]
    if before[-1] + len(at) > _CONTEXT - 2:
        return None
    expected, (probe,) = tokenizer.ids(head), tokenizer.ids(_PROBE)
    for place in reversed(before):
        expected.insert(place, probe)
    found = tokenizer.ids(_with_words([_PROBE] * len(at), head, at)[0])
    return Places(at, tuple(before)) if found[: _CONTEXT - 2] == expected[: _CONTEXT - 2] else None


def _with_words(words: Sequence[str], caption: str, at: Sequence[int]) -> tuple[str, list[int]]:
    """Each word before a character of the caption, with a space; behind its end with the space before."""
    text, starts, done = "", [], 0
    for word, place in zip(words, at, strict=True):
        behind = place > 0 and place == len(caption)
        text += caption[done:place] + " " * behind
        starts.append(len(text))
        text += word + " " * (not behind)
        done = place
    return text + caption[done:], starts


def content_words(caption: str) -> list[re.Match[str]]:
    """The words that say what is there (nouns, verbs, adjectives), where they stand."""
    return [found for found in _WORD.finditer(caption) if found.group().lower() not in _FUNCTION_WORDS]


def in_order(ids: Iterable[int], tokens: Iterable[int]) -> bool:
    """Whether the ids stand among the tokens, one after the other, with whatever between them."""
    left = iter(tokens)
    return all(token in left for token in ids)


def _filled(words: Sequence[str], caption: str, found: Sequence[re.Match[str]]) -> str:
    """The caption with the words in place of some of those found, drawn by its text; the others stand in front."""
    count = max(0, min(len(words), len(found) - 1))
    order = permutation(len(found), 0, "placed", caption)[:count]
    pieces, end = [], 0
    for word, place in zip(words[len(words) - count :], sorted(order), strict=True):
        old = found[place]
        pieces += [caption[end : old.start()], _cased(word, old.group())]
        end = old.end()
    return " ".join((*words[: len(words) - count], "".join((*pieces, caption[end:]))))


def _reads(words: Sequence[str], caption: str) -> bool:
    """Whether CLIP finds the words' tokens in the caption, in their order, before its context ends."""
    tokenizer = BytePairs()
    return in_order(tokenizer.ids(" ".join(words)), tokenizer.ids(caption)[: _CONTEXT - 2])


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word
