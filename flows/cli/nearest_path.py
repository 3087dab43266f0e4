"""A path that was misspelt: what is beside it under nearly the same name."""

import os
from contextlib import suppress
from pathlib import Path

from mem_core.common.nearest import nearest

_LOOKED_AT = 10_000  # names of a folder
_typed: list[str] = []


def note_path(path: str) -> None:
    """Remembers a local path that was typed, for when it is missed."""
    _typed.append(path)


def forget_paths() -> None:
    """Begins anew."""
    _typed.clear()


def path_meant(sentence: str) -> str:
    """What was probably meant by a typed path that the sentence is about and that is not there, else ""."""
    for typed in _typed:
        path = Path(typed)
        with suppress(OSError):
            if typed in sentence and not path.exists() and path.parent.is_dir():
                with os.scandir(path.parent) as entries:
                    names = [entry.name for entry, _ in zip(entries, range(_LOOKED_AT), strict=False)]
                if found := nearest(path.name, names):
                    return f": did you mean {path.parent / found}?"
    return ""
