"""PNG: chunks of length, name, bytes and checksum."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from mem_core.data.bare.base import MAX_CHUNK, Bare, unpacked

_SIGNATURE = 8
_HEAD = struct.Struct(">I4s")
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_SPOKEN_FOR = (b"Raw profile type exif", b"XML:com.adobe.xmp")  # texts in which an orientation may stand
_TRANSPARENT = {0: 2, 2: 6}  # bytes of tRNS by colour type


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    body: bytes
    whole: bytes
    sound: bool


def bare_png(data: bytes) -> Bare:
    """Pixels, palette, transparency, profile and orientation. Of an animated PNG, the picture that stands for it."""
    kept, notes, frames, started, budget = [data[:_SIGNATURE]], [], 0, False, MAX_CHUNK
    colour = data[25] if len(data) > 25 else -1
    for chunk in _chunks(data):
        if chunk.name in _PIXELS:
            kept.append(chunk.whole)
            started = started or chunk.name == b"IDAT"
            continue
        if chunk.name == b"acTL" and not started and chunk.sound and len(chunk.body) == 8:
            frames += int.from_bytes(chunk.body[:4], "big") + 1  # one too many if a frame's header comes before IDAT
        elif chunk.name == b"fcTL" and not started:
            frames -= 1
        wanted, trouble, cost = _judged(chunk, colour, budget)
        budget = max(0, budget - cost)
        if trouble:
            notes.append(f"{chunk.name.decode('latin-1')} chunk left out: {trouble}")
        elif wanted:
            kept.append(chunk.whole)
    return Bare(b"".join(kept), tuple(notes), frames > 1)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """All chunks up to the end of the picture; a rest that makes no sense belongs to the decoder until pixels came."""
    place, pixels = _SIGNATURE, False
    while place + _HEAD.size <= len(data):
        size, name = _HEAD.unpack_from(data, place)
        if not (name.isascii() and name.isalpha()) or (name not in _PIXELS and place + 12 + size > len(data)):
            if not pixels:
                yield _Chunk(b"IDAT", b"", data[place:], True)
            elif name.isalpha():
                yield _Chunk(name, b"", b"", False)
            return
        whole = data[place : place + 12 + size]
        if name in _PIXELS:
            yield _Chunk(name, b"", whole, True)
        else:
            checksum = int.from_bytes(whole[-4:], "big")
            yield _Chunk(name, whole[8:-4], whole, zlib.crc32(whole[4:-4]) == checksum)
        if name == b"IEND":
            return
        pixels = pixels or name == b"IDAT"
        place += 12 + size


def _judged(chunk: _Chunk, colour: int, budget: int) -> tuple[bool, str, int]:
    """Whether the decoder needs it, what is wrong with it, and how much was unpacked to find that out."""
    if not chunk.sound:
        return False, "its checksum is wrong" if chunk.whole else "it is cut short", 0
    if chunk.name == b"tRNS":
        return True, "it is cut short" if len(chunk.body) < _TRANSPARENT.get(colour, 0) else "", 0
    if chunk.name in _TEXTS or chunk.name in (b"iCCP", b"eXIf"):
        if len(chunk.body) > MAX_CHUNK:
            return False, f"it has {len(chunk.body)} bytes", 0
        packed, wanted = _packed(chunk)
        if packed is None:
            return wanted, "", 0
        if packed[:1] != b"\0":
            return False, f"its compression {packed[0]} is unknown" if packed else "it is cut short", 0
        found, trouble = unpacked(packed[1:], budget)
        return wanted, trouble, len(found)
    return False, "", 0


def _packed(chunk: _Chunk) -> tuple[bytes | None, bool]:
    """The compression's number and what was packed by it, None if nothing was; and whether the decoder needs it."""
    if chunk.name == b"eXIf":
        return None, True
    keyword, _, rest = chunk.body.partition(b"\0")
    if chunk.name == b"iCCP":
        return rest, True
    wanted = keyword in _SPOKEN_FOR
    if chunk.name == b"zTXt":
        return rest, wanted
    if chunk.name == b"iTXt" and rest[:1] not in (b"", b"\0"):
        parts = rest[2:].split(b"\0", 2)
        return rest[1:2] + parts[2] if len(parts) == 3 else b"", wanted
    return None, wanted
