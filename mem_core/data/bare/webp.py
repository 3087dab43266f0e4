"""WebP: a RIFF file, chunks of name, length and bytes, of which the first says what the others are."""

import struct

from mem_core.data.bare.base import MAX_CHUNK, Bare

_HEAD = struct.Struct("<4sI")
_FIRST = 12  # bytes before the first chunk
_PIXELS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_FLAGS = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}


def bare_webp(data: bytes) -> Bare:
    """Pixels and, where they are sound, profile, EXIF and XMP."""
    if data[_FIRST : _FIRST + 4] != b"VP8X":  # nothing but the picture
        return Bare(data)
    kept, notes, flags, place = [], [], 0, _FIRST
    while place + _HEAD.size <= len(data):
        name, size = _HEAD.unpack_from(data, place)
        end = place + _HEAD.size + size + size % 2
        if name in _PIXELS:
            kept.append(data[place:end])
        elif name in _FLAGS and (size > MAX_CHUNK or end - size % 2 > len(data)):
            why = f"it has {size} bytes" if size > MAX_CHUNK else "it is cut short"
            notes.append(f"{name.decode().strip()} chunk left out: {why}")
        elif name in _FLAGS and not flags & _FLAGS[name]:
            flags |= _FLAGS[name]
            kept.append(data[place:end].ljust(end - place, b"\0"))
        place = end
    if not notes and _HEAD.unpack_from(data)[1] + _HEAD.size > len(data):
        notes.append("chunks behind the pixels left out: the file is cut short")
    first = bytearray(kept[0])
    if len(first) > _HEAD.size:
        first[_HEAD.size] = first[_HEAD.size] & ~sum(_FLAGS.values()) | flags
    body = b"".join([b"WEBP", bytes(first), *kept[1:]])
    return Bare(_HEAD.pack(b"RIFF", len(body)) + body, tuple(notes))
