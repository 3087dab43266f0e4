"""The members of a tar stream, checked and grouped by key; nothing is unpacked or believed."""

import io
import tarfile
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol, cast

from mem_core.common.errors import SampleError, SourceError
from mem_core.common.reasons import Code

MAX_KEY_BYTES = 90  # with its extension, a USTAR name field (100 bytes)
MAX_TEXT_BYTES = 16 << 20  # bytes of a .txt or .json member: a 10,000-word caption has 60 kB
MAX_IMAGE_BYTES = 512 << 20
_BUFFER = 1 << 15  # tarfile copies what is left of it at every read: larger is slower for small members
_AT_ONCE = 1 << 20
_MAX_HEADER = 1 << 20  # bytes of a long name or of a pax header: tarfile holds them in memory
_SHOWN = 200  # characters of a hostile name that are worth repeating

# What tarfile raises on hostile headers. OSError is missing on purpose: the store failed, not the tar.
_BAD_HEADER = (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError, KeyError, IndexError, TypeError)


class Readable(Protocol):
    """What reading a tar asks of a stream: bytes, forwards."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass
class Group:
    """Consecutive members of one key. parts: extension -> bytes; others: names of members that are left out."""

    key: str
    parts: dict[str, bytes] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    dotted: dict[str, set[str]] = field(default_factory=dict)
    problem: str = ""
    code: Code = "unusable"

    def merged(self, image_extensions: Set[str]) -> list[str]:
        """Names up to the LAST dot that look like samples of their own: an image, and text or no other image.

        `a.mask.png` beside `a.jpg` is an extra member, but `a.b.jpg` with `a.b.txt` is a sample with a dot in its key.
        """
        alone = not any(extension in image_extensions for extension in self.parts)
        return [
            stem
            for stem, extensions in self.dotted.items()
            if (extensions & image_extensions and (alone or extensions & {"txt", "json"}))
        ]


def check_key(key: str) -> None:
    """Raises `SampleError` unless the key can name a sample here and in every tool that reads WebDataset tars."""
    if not key or not key.isprintable() or any(character in key for character in "./\\") or key != key.strip():
        what = f"expected a key of printable characters without dots or slashes, got {shown(key)!r}"
        raise SampleError(what, code="bad-key")
    if len(key.encode()) > MAX_KEY_BYTES:
        what = f"expected a key of at most {MAX_KEY_BYTES} bytes, got {len(key.encode())}"
        raise SampleError(what, code="bad-key")


def shown(name: str) -> str:
    """A name as it can be stored and printed: valid Unicode, not endless."""
    clean = name.encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "..."


def members(stream: Readable, shard: str, *, kept: Set[str]) -> Iterator[Group]:
    """Groups of consecutive members with equal key, holding the bytes of those whose extension is in `kept`.

    Raises `SourceError` (see `shard.read_shard`).
    """
    group: Group | None = None
    for tar, member in _walk(stream, shard):
        folder, _, base = member.name.removeprefix("./").rpartition("/")
        stem, _, extension = base.partition(".")
        if member.isdir() or not stem:
            continue
        key = f"{folder}/{stem}" if folder else stem
        if group is None or group.key != key:
            if group is not None:
                yield group
            group = Group(key)
        _take(group, tar, member, extension, kept, shard)
    if group is not None:
        yield group


def _take(
    group: Group, tar: tarfile.TarFile, member: tarfile.TarInfo, extension: str, kept: Set[str], shard: str
) -> None:
    extension = extension.lower()
    first, _, last = extension.rpartition(".")
    if first and last in kept:
        group.dotted.setdefault(f"{group.key}.{first}", set()).add(last)
    if extension not in kept:
        if len(group.others) < 5:
            group.others.append(shown(member.name))
        return
    limit = MAX_TEXT_BYTES if extension in ("txt", "json") else MAX_IMAGE_BYTES
    if member.size > limit:
        group.problem, group.code = f"expected at most {limit} bytes in .{extension}, got {member.size}", "too-large"
        group.parts[extension] = b""
    elif extension in group.parts:
        group.problem, group.code = f"expected one .{extension} member, got several", "duplicate"
    else:
        group.parts[extension] = _read(tar, member, shard)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, shard: str) -> bytes:
    # The stream stands at the member's first byte; `extractfile` would cost as much as the header for each member.
    data = cast(BinaryIO, tar.fileobj).read(member.size)
    if len(data) != member.size:
        raise _cut(f"shard {shard}", f"it ends inside {shown(member.name)}")
    return data


def scan(stream: BinaryIO, place: str) -> Iterator[tarfile.TarInfo]:
    """All headers of a tar that can be read back and forth, in its order; what they stand for is skipped, not read.

    Nothing is said of names and kinds: whoever unpacks nothing need not mind. Raises `SourceError`, as `members` does.
    """
    length = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with _opened(stream, place, "r:") as tar:
        while (member := _next(tar, place)) is not None:
            if member.offset_data + max(member.size, 0) > length:
                raise _cut(place, f"it ends inside {shown(member.name)!r}, at byte {length}")
            yield member
        _check_end(tar, place)


def _walk(stream: Readable, shard: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """All members, each checked; then the end of the tar is checked."""
    with _opened(cast(BinaryIO, stream), f"shard {shard}", "r|") as tar:
        while (member := _next(tar, f"shard {shard}")) is not None:
            _check(member, shard)
            yield tar, member
            if not _read_over(tar):
                raise _cut(f"shard {shard}", f"it ends inside {shown(member.name)}")
        _check_end(tar, f"shard {shard}")


def _opened(stream: BinaryIO, place: str, mode: Literal["r|", "r:"]) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=stream, mode=mode, tarinfo=_StrictMember, bufsize=_BUFFER)
    except _BAD_HEADER as error:
        raise SourceError(f"expected an uncompressed tar as {place}: {error}") from error


def _next(tar: tarfile.TarFile, place: str) -> tarfile.TarInfo | None:
    at = tar.offset
    try:
        member = tar.next()
    except _BAD_HEADER as error:
        raise _cut(place, f"at byte {at} {error}") from error
    if member is not None and member.size < 0:
        raise _cut(place, f"{shown(member.name)!r} has a negative size")
    tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every header: memory would grow with the tar
    return member


def _cut(place: str, what: str) -> SourceError:
    return SourceError(f"expected a whole tar, but in {place} {what}: copy it anew, or leave it out of the source")


def _read_over(tar: tarfile.TarFile) -> bool:
    """Reads what is left of a large member of a stream; False if the stream ends before the member does.

    tarfile would do so itself, but where the stream ends it goes on for as long as the header claims: years.
    """
    stream = cast(Any, tar.fileobj)
    while (left := tar.offset - stream.tell()) > _BUFFER:
        if not stream.read(min(left, _AT_ONCE)):
            return False
    return True


def _check(member: tarfile.TarInfo, shard: str) -> None:
    name = shown(member.name)
    if not (member.isdir() or member.isreg()) or member.issparse():
        raise SourceError(f"expected only plain files in shard {shard}, but {name!r} is a link, device or sparse file")
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise SourceError(f"expected names inside shard {shard}, but {name!r} leads outside")


def _check_end(tar: tarfile.TarFile, place: str) -> None:
    """Only zeros may follow: joined tars hide samples behind the first end."""
    rest = cast(BinaryIO, tar.fileobj)
    while block := rest.read(1 << 18):
        if block.count(0) != len(block):
            what = f"expected nothing after the end of the tar, but {place} has more data there"
            raise SourceError(f"{what}: joined tars must be unpacked, and packed as one")


# Named here because `fromtarfile` has a parameter called tarfile.
_END_OF_TAR: type[Exception] = tarfile.EOFHeaderError  # type: ignore[attr-defined]
_BROKEN_HEADER: type[Exception] = tarfile.HeaderError
_NOT_WHOLE: type[Exception] = tarfile.ReadError


_LONG_HEADERS = frozenset(
    (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
)


class _StrictMember(tarfile.TarInfo):
    """tarfile takes a broken, cut or missing header after the first member for the end of the tar: not here."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictMember":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _LONG_HEADERS and member.size > _MAX_HEADER:
            raise _NOT_WHOLE(f"a header has {member.size} bytes, where at most {_MAX_HEADER} were expected")
        return member

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> "_StrictMember":
        try:
            return super().fromtarfile(tarfile)
        except _END_OF_TAR:
            raise
        except _BROKEN_HEADER as error:
            what = str(error).replace("empty header", "no end-of-archive block")
            raise _NOT_WHOLE(f"the tar is cut short or damaged: {what}") from error
