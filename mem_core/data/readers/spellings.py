"""The paths inside a source that a written name may stand for, however it is written.

Relative to the file that has the name, to the source, or to the folder that the source lies in; absolute; as a file://
or s3:// address; with the separators of Windows; percent-encoded.
"""

import os
import re
from collections.abc import Iterator
from posixpath import normpath
from typing import NamedTuple
from urllib.parse import unquote

from mem_core.common.errors import ImageError
from mem_core.common.storage.folder import Folder, LocalFolder

_SIMPLE = re.compile(r"[\w-][\w.-]{0,60}")
_WEB = re.compile(r"\s*https?://", re.IGNORECASE)
_MOST = 4096  # characters; 255 bytes a part: more than any file system takes


class Spelling(NamedTuple):
    """Paths inside the source: own: from the folder of the file that has the name, top: from the source's; above: from
    the folder around the source. Each "" where it would lead outside."""

    own: str
    top: str = ""
    above: str = ""


class Spellings:
    """What names mean in one source."""

    def __init__(self, folder: Folder) -> None:
        self._is_local = isinstance(folder, LocalFolder)
        place = str(folder.path) if isinstance(folder, LocalFolder) else "/" + folder.uri.partition("://")[2]
        self._root, self._around = normpath(place), normpath(f"{place}/..")
        self._roots = dict.fromkeys([self._root, os.path.realpath(place)] if self._is_local else [self._root])

    def of(self, name: str, beside: str) -> list[Spelling]:
        """All of a name, the most literal first. Raises `ImageError` if it is no path, or leads outside in all."""
        if "\0" in name or normpath(name.strip() or ".") == ".":
            raise ImageError(f"expected the relative path of an image, got {name[:200]!r}", code="no-image")
        if len(name) > _MOST or any(len(part.encode("utf-8", "replace")) > 255 for part in name.split("/")):
            what = f"got {len(name)} characters: {name[:80]!r}..."
            raise ImageError(f"expected the relative path of an image, {what}", code="no-image")
        if _SIMPLE.fullmatch(name):  # most names, and all of what follows takes its time
            return [Spelling(f"{beside}/{name}" if beside else name, name)]
        found = [spelling for text in _written(name) if any(spelling := self._inside(text, beside))]
        if not found:
            remedy = "load the pictures first, as img2dataset does" if _WEB.match(name) else "write it relative to that"
            what = f"expected a path inside the source folder, got {name[:200]!r}: {remedy}"
            raise ImageError(what, code="outside")
        return found

    def _inside(self, text: str, beside: str) -> Spelling:
        if text.startswith("/"):
            return Spelling(self._below(text) or (self._below(os.path.realpath(text)) if self._is_local else ""))
        if text.replace("\\", "/").split("/")[0].endswith(":"):  # a drive, or an address of something else
            return Spelling("")
        starts = (f"{self._root}/{beside}", self._root, self._around)
        return Spelling(*(self._below(f"{start}/{text}") for start in starts))

    def _below(self, path: str) -> str:
        whole = "/" + normpath(path).lstrip("/")
        for root in self._roots:
            if whole.startswith(start := root.rstrip("/") + "/"):
                return whole[len(start) :]
        return ""


def _written(name: str) -> Iterator[str]:
    for scheme in ("file://localhost/", "file:///", "s3://"):
        if name.strip().startswith(scheme):
            path = "/" + name.strip().removeprefix(scheme)
            yield from dict.fromkeys((path, unquote(path)))
            return
    plain = name.strip().replace("\\", "/")
    yield from dict.fromkeys((name, name.strip(), plain, unquote(plain)))
