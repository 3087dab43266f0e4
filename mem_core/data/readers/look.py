"""A first look at files of a source: enough to say what they hold, and no more, however large they are."""

from collections.abc import Callable
from functools import cache

from mem_core.common.errors import StorageRefused
from mem_core.data.readers.source import SourceFile, SourceTree
from mem_core.data.readers.text import wide_of
from mem_core.data.texts import mark_of

Look = Callable[[str], str]
"""Path -> the text at a file's two ends; of a Parquet file its columns, of a tar its first members, a line each."""

_SIZE = 1 << 16
_MEMBERS = 8
_PARQUET = b"PAR1"


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
    mark, marked = mark_of(data)
    encoding = marked or wide_of(data) or encoding
    text = data.decode(encoding, "replace")
    if size > len(data):
        end = file.folder.read(file.path, size - size % 4 - _SIZE, _SIZE)
        text += "\n" + (mark + end).decode(encoding, "replace")
    return text


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
