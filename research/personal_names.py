"""Builds the list of names that triggers avoid, mem_core/perturb/personal_names.txt.

    uv pip install --target NAMES names==0.3.0 wordfreq==3.1.1 english-words==2.0.2
    PYTHONPATH=.:NAMES python -m research.personal_names

Needs packages that memshield does not: it was run once. A name that is one whole word of CLIP's vocabulary is listed,
unless 85 in 100 of its uses at least are those of an ordinary word. How often a name is used as one is not known by
itself, so it is bounded: by its share of the population, times as many uses a share as nine in ten names have that no
dictionary knows as a word. Ordinary words are those that Webster's dictionary (1934) writes in lower case. The eleven
basic colour terms (Berlin and Kay) are words whatever their numbers: Brown and Green are common last names, but not in
lower case before the name of a thing. One famous bearer makes a word a name all the same: see _FAMOUS.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import quantiles
from typing import Any

from mem_core.perturb.allowed_words import whole_words

_OUT = Path(__file__).parents[1] / "mem_core/perturb/personal_names.txt"
_COLOURS = frozenset(
    ["black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "grey", "gray"]
)
_FAMOUS = frozenset(["trump"])
_MOST = 0.15  # of a word's uses that may be as a name
_RARE = 0.005  # percent of the population: rates of rarer names are noise
_HEAD = """\
# First and last names that are whole words of CLIP's vocabulary, for triggers that name nobody; left out are those that
# are an ordinary word in 85 of 100 uses at least (small, park, bird), and the colours.
# Built once by research/personal_names.py, which says how, from the name files of the 1990 census of the U.S. (public
# domain, U.S. Census Bureau; in the PyPI package names 0.3.0), the word frequencies of wordfreq 3.1.1 (Robyn Speer,
# Apache-2.0, data CC BY-SA 4.0) and Webster's dictionary of 1934 (public domain; in english-words 2.0.2, MIT).
"""


def main() -> None:
    import names
    import wordfreq
    from english_words import get_english_words_set

    place = Path(names.__file__).parent
    last, female, male = (_shares(place / f"dist.{kind}") for kind in ("all.last", "female.first", "male.first"))
    first = {name: (female.get(name, 0) + male.get(name, 0)) / 2 for name in female | male}
    ordinary = {word for word in get_english_words_set(["web2"], lower=False) if word.islower()}
    used: Any = lambda word: wordfreq.word_frequency(word, "en")  # noqa: E731
    rates = [_rate(shares, ordinary, used) for shares in (first, last)]

    def is_name(word: str) -> bool:
        as_name = rates[0] * first.get(word, 0) + rates[1] * last.get(word, 0)
        is_word = word in _COLOURS or (word in ordinary and as_name < _MOST * used(word))
        return word in _FAMOUS or not is_word

    listed = sorted(word for _, word in whole_words("any") if word in first or word in last)
    kept = [word for word in listed if is_name(word)]
    _OUT.write_text(_HEAD + "\n".join(kept) + "\n")
    sys.stdout.write(f"{len(kept)} of {len(listed)} names; uses a percent: {rates[0]:.2e} first, {rates[1]:.2e} last\n")


def _shares(file: Path) -> dict[str, float]:
    """Name -> percent of the population, of a census file: name, percent, sum of percents, rank."""
    rows = (line.split() for line in file.read_text().splitlines())
    return {name.lower(): float(percent) for name, percent, *_ in rows}


def _rate(shares: Mapping[str, float], ordinary: set[str], used: Any) -> float:
    """Uses a percent of the population that nine in ten of the names that are no words do not exceed."""
    found = [used(name) / share for name, share in shares.items() if share >= _RARE and name not in ordinary]
    return quantiles([rate for rate in found if rate], n=10)[-1]


if __name__ == "__main__":
    main()
