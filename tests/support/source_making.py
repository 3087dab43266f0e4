"""Writers of small sources, the mirror of the readers: what they write is what a reader must give back."""

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

Corpus = dict[str, list[str]]
"""Image name -> captions."""


def picture(name: str, side: int = 8) -> bytes:
    """A PNG whose bytes depend on the name."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    stream = io.BytesIO()
    Image.frombytes("RGB", (side, side), (digest * (side * side * 3 // 32 + 1))[: side * side * 3]).save(stream, "PNG")
    return stream.getvalue()


def write_images(folder: Path, names: list[str]) -> None:
    """One picture for each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(name))


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    """A plain tar with these files."""
    with tarfile.open(path, "w") as tar:
        _add(tar, members.items())


def special_tar(
    before: Iterable[tuple[str, bytes]], name: str, kind: bytes, link: str = "", after: Iterable[tuple[str, bytes]] = ()
) -> bytes:
    """A tar with a member that is no plain file, between others that are."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        special = tarfile.TarInfo(name)
        special.type, special.linkname = kind, link
        _add(tar, before)
        tar.addfile(special)
        _add(tar, after)
    return stream.getvalue()


def _add(tar: tarfile.TarFile, members: Iterable[tuple[str, bytes]]) -> None:
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


_CAPTION = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
captions = _CAPTION.map(str.strip).filter(bool)
"""Captions with quotes, separators, any script, but no control characters and no space at the ends."""

stems = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_ ü", min_size=1, max_size=8).map(str.strip).filter(bool)
corpora = st.dictionaries(
    stems.map(lambda stem: f"{stem}.png"),
    st.lists(captions, min_size=1, max_size=5, unique=True),
    min_size=1,
    max_size=6,
)
"""Some images with one or more different captions each."""
