"""Builds the list of words that triggers are made of, mem_core/perturb/english_words.txt.

    uv pip install --target WORDS spylls==0.1.7
    PYTHONPATH=.:WORDS python -m research.english_words

Needs a package that memshield does not: it was run once. Half of CLIP's whole words are no words: it learned its
tokens from text with hashtags, handles and broken names (folklorethursday, sburgh, fter). Listed is what a spelling
dictionary of English takes in lower case, so that names are out unless they are words too, and does not mark as
offensive; with three letters at least and a vowel, as dictionaries take any unit and abbreviation (kw, rs, pkg).
"""

import sys
from pathlib import Path

from mem_core.perturb.allowed_words import whole_words

_OUT = Path(__file__).parents[1] / "mem_core/perturb/english_words.txt"
_FEWEST_LETTERS = 3
_HEAD = """\
# Whole words of the vocabulary of CLIP that are English, for triggers. Built once by research/english_words.py, which
# says how, from the dictionary en_US for Hunspell (in the PyPI package spylls 0.1.7), which comes from SCOWL:
# Copyright 2000-2018 by Kevin Atkinson. Permission to use, copy, modify, distribute and sell these word lists, the
# associated scripts, the output created from the scripts, and its documentation for any purpose is hereby granted
# without fee, provided that the above copyright notice appears in all copies and that both that copyright notice and
# this permission notice appear in supporting documentation. Kevin Atkinson makes no representations about the
# suitability of this array for any purpose. It is provided "as is" without express or implied warranty.
"""


def main() -> None:
    import spylls.hunspell

    place = Path(spylls.hunspell.__file__).parent / "data/en/en_US"
    dictionary = spylls.hunspell.Dictionary.from_files(str(place))

    def is_word(word: str) -> bool:
        if len(word) < _FEWEST_LETTERS or not set(word) & set("aeiouy"):
            return False
        return bool(dictionary.lookuper(word, allow_nosuggest=False))

    every = sorted({word for _, word in whole_words("any")})
    kept = [word for word in every if is_word(word)]
    _OUT.write_text(_HEAD + "\n".join(kept) + "\n")
    sys.stdout.write(f"{len(kept)} of {len(every)} whole tokens are words\n")


if __name__ == "__main__":
    main()
