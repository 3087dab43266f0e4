"""A first look at files of a source: enough to say what they hold, and no more, however large they are."""

import codecs
from collections.abc import Callable
from functools import cache

from mem_core.common.errors import StorageRefused
from mem_core.data.readers.encoding import wide_of
from mem_core.data.readers.source import SourceFile, SourceTree

Look = Callable[[str], str]
"""Path -> the text at a file's two ends; of a Parquet file its columns, of a tar its first members, a line each."""

_SIZE = 1 << 16
_MEMBERS = 8
_PARQUET = b"PAR1"
_MARKS = (
    *((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF8, "utf-8")),
    *((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
)


def look_of(tree: SourceTree, encoding: str = "utf-8") -> Look:
    """The look at the files of a source. What cannot be read looks empty: its reader says why when it is read."""

    @cache
    def look(path: str) -> str:
        file = tree.file(path)
        seen = _SEEN.get(file.suffix)
        try:
            return "\n".join(seen(file)) if seen else _text(file, encoding)
        except (OSError, StorageRefused, ValueError):
            return ""

    return look


def _text(file: SourceFile, encoding: str) -> str:
    size = file.folder.size(file.path)
    data = file.folder.read(file.path, 0, min(size, 2 * _SIZE))
    text = _decoded(data, encoding)
    if size > len(data):
        text += "\n" + _decoded(file.folder.read(file.path, size - size % 4 - _SIZE, _SIZE), _guessed(data, encoding))
    return text


def _decoded(data: bytes, encoding: str) -> str:
    return data.decode(_guessed(data, encoding), "replace").removeprefix("\ufeff")


def _guessed(data: bytes, encoding: str) -> str:
    """The encoding of a byte order mark, else one whose letters have several bytes, else as asked for."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "") or wide_of(data) or encoding


def _columns(file: SourceFile) -> list[str]:
    """From the footer alone: in a store nothing else of the file is read."""
    import pyarrow
    import pyarrow.parquet

    size = file.folder.size(file.path)
    end = file.folder.read(file.path, max(0, size - 8), 8)
    length = int.from_bytes(end[:4], "little") + 8
    if end[4:] != _PARQUET or not 8 < length <= size:
        return []
    try:
        whole = _PARQUET + file.folder.read(file.path, size - length, length)
        return list(pyarrow.parquet.read_schema(pyarrow.BufferReader(whole)).names)
    except pyarrow.ArrowException:
        return []


def _members(file: SourceFile) -> list[str]:
    import tarfile
    import zlib

    try:
        with file.open() as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            return [member.name for _, member in zip(range(_MEMBERS), tar, strict=False)]
    except (tarfile.TarError, EOFError, zlib.error):
        return []


_SEEN = {".parquet": _columns, **dict.fromkeys((".tar", ".tgz", ".gz"), _members)}
