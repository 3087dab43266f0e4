"""Absolute names of a source, as `/home/me/pics/a.jpg` in a table: exported relative to the folder that all share."""

import re
from collections.abc import Iterable, Iterator

from mem_core.common.errors import SampleError
from mem_core.common.storage.hashing import sha256_bytes

_WINDOWS = re.compile(r"[A-Za-z]:[/\\]|\\\\")

Parts = tuple[str, ...]


class AbsoluteNames:
    """What the absolute names of a corpus are relative to in its export.

    names: those of all published samples. known: the `mark` of the earlier export that is gone on with, "" for none;
    its folder stays what it was when the corpus has grown. Memory does not grow with the corpus.
    """

    def __init__(self, names: Iterable[str], known: str = "") -> None:
        self._known = known
        self._folder: Parts = ()
        self._apart: tuple[str, str] | None = None  # two names that share no folder
        first = ""
        for name in names:
            parts = _parts(name)
            if not parts or ".." in parts:
                continue
            if not first:
                first, self._folder = name, parts[:-1]
            self._folder = _shared(self._folder, parts[:-1])
            if known and (earlier := next((each for each in _around(parts) if _digest(each) == known), None)):
                self._folder = earlier
                return
            if len(self._folder) < 2 and self._apart is None:
                self._apart = first, name

    @property
    def folder(self) -> str:
        """The folder, "" where there are no absolute names or none that all share."""
        return "/".join(self._folder) if len(self._folder) > 1 else ""

    @property
    def mark(self) -> str:
        """SHA-256 of the folder, to be kept in the export, which may be published: nobody reads the path there."""
        return _digest(self._folder) if self.folder else ""

    def relative(self, name: str) -> str:
        """The name, and of an absolute one what it is below the folder. Raises `SampleError` if it is not below it."""
        parts = _parts(name)
        if not parts or ".." in parts:  # relative, or refused as all names that could lead out
            return name
        if not self.folder:
            raise SampleError(self._why_none(name), code="outside")
        if parts[: len(self._folder)] != self._folder or len(parts) == len(self._folder):
            raise SampleError(
                f"expected a name below {self.folder}, as in the earlier export, got {name[:200]!r}: "
                "export to another folder",
                code="outside",
            )
        return "/".join(parts[len(self._folder) :])

    def _why_none(self, name: str) -> str:
        one, other = self._apart or (name, name)
        between = f"{one[:200]!r} and {other[:200]!r} share none" if one != other else f"{one[:200]!r} lies in none"
        return f"expected absolute names that share a folder, but {between}: in the source, name them relative to one"


def _parts(name: str) -> Parts:
    """Of an absolute name: its drive ("" on other systems), its folders, its own; nothing for other names."""
    if name.startswith("/"):
        return ("", *_said(name.split("/")))
    if _WINDOWS.match(name):
        drive, *rest = re.split(r"[/\\]", name)
        return (drive, *_said(rest))
    return ()


def _said(parts: Iterable[str]) -> Iterator[str]:
    return (part for part in parts if part not in ("", "."))


def _shared(one: Parts, other: Parts) -> Parts:
    length = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]


def _around(parts: Parts) -> Iterator[Parts]:
    return (parts[:length] for length in range(len(parts) - 1, 1, -1))


def _digest(folder: Parts) -> str:
    return sha256_bytes("/".join(folder).encode())
