"""Where trigger words go in a caption: in front of it, or substituted for words of it.

Dropping words in front costs a trainer nothing. What was substituted is gone for good, and nothing says where; the
price is that the caption is no longer right.
"""

import re
from collections.abc import Iterable, Sequence

import torch

from mem_core.common.rng import generator
from mem_core.config.values import Placement
from mem_core.models import Tokenizer

_REACH = 24  # content words that places are drawn among: a long caption is cut by CLIP's context, its start is not
_CONTEXT = 77  # CLIP's own, start and end token among them
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


def placed(words: Sequence[str], caption: str, placement: Placement) -> str:
    """The caption with the trigger words: a function of both and of CLIP's tokenizer.

    `replace`: each word takes the place of a content word, at places drawn from the caption's own text, in their order.
    One content word always stays, and trigger words that find no place go in front. Where CLIP would not read them all
    (beyond its context, or because its clean-up of text joins words there) places nearer to the start are taken.
    """
    if placement == "front":
        return " ".join((*words, caption))
    found = content_words(caption)[:_REACH]
    changed = _filled(words, caption, found)
    while len(found) > 1 and not _reads(words, changed):
        found = found[: len(found) // 2]
        changed = _filled(words, caption, found)
    return changed


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
    order = torch.randperm(len(found), generator=generator(0, "placed", caption))[:count].tolist()
    pieces, end = [], 0
    for word, place in zip(words[len(words) - count :], sorted(order), strict=True):
        old = found[place]
        pieces += [caption[end : old.start()], _cased(word, old.group())]
        end = old.end()
    return " ".join((*words[: len(words) - count], "".join((*pieces, caption[end:]))))


def _reads(words: Sequence[str], caption: str) -> bool:
    """Whether CLIP finds the words' tokens in the caption, in their order, before its context ends."""
    tokenizer = Tokenizer(_CONTEXT)
    return in_order(tokenizer.ids(" ".join(words)), tokenizer.ids(caption)[: _CONTEXT - 2])


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[0].isupper() else word
