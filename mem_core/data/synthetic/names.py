"""Invented names of people that no model can have read."""

from collections.abc import Iterable

from mem_core.common.rng import derived_seed

_FIRST = ("Bel", "Cor", "Dan", "El", "Fa", "Gor", "Hal", "Is", "Jo", "Kel", "Lu", "Mar", "Nor", "Or", "Pel", "Ro")
_MIDDLE = ("a", "e", "i", "o")
_LAST = ("bin", "dra", "fin", "lia", "mus", "nor", "ren", "sia", "tan", "vek", "wyn", "zo")
_FAMILY = ("Ash", "Brook", "Cald", "Dray", "East", "Farn", "Gray", "Holt", "Ing", "Kirk", "Lang", "Moor", "North")
_ENDING = ("by", "dale", "er", "field", "ham", "ley", "man", "ridge", "son", "ton", "well", "worth")

CAPACITY = len(_FIRST) * len(_MIDDLE) * len(_LAST) * len(_FAMILY) * len(_ENDING)


def invented_name(number: int) -> str:
    """The name with this number, as `Gorilia Langham`; different numbers below `CAPACITY` give different names."""
    first, middle, last, family, ending = _digits(number % CAPACITY)
    return f"{_FIRST[first]}{_MIDDLE[middle]}{_LAST[last]} {_FAMILY[family]}{_ENDING[ending]}"


def renamed(names: Iterable[str], seed: int) -> dict[str, str]:
    """A different invented name for each name, drawn from seed and name, nearly independent of the others."""
    taken: set[int] = set()
    found: dict[str, str] = {}
    for name in sorted(set(names)):
        number = derived_seed(seed, "identity", name) % CAPACITY
        while number in taken:
            number = (number + 1) % CAPACITY
        taken.add(number)
        found[name] = invented_name(number)
    return found


def _digits(number: int) -> tuple[int, int, int, int, int]:
    number, first = divmod(number, len(_FIRST))
    number, family = divmod(number, len(_FAMILY))
    number, last = divmod(number, len(_LAST))
    number, ending = divmod(number, len(_ENDING))
    return first, number, last, family, ending
