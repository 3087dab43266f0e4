"""What a misspelt word was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(given: object, known: Iterable[str]) -> str:
    """The known word that looks most like it, "" where none does."""
    return next(iter(get_close_matches(str(given).lower(), list(known), n=1)), "")


def meant(given: object, known: Iterable[str]) -> str:
    """`: did you mean mem?`, to be put behind a sentence; "" where nothing known looks like it."""
    found = nearest(given, known)
    return f": did you mean {found}?" if found else ""
