"""What all formats share: the result, and unpacking that stays bounded."""

import zlib
from dataclasses import dataclass

MAX_CHUNK = 1 << 20
"""Bytes of a profile, an EXIF block or a text that are looked at: Pillow reads no larger one back from a PNG."""


@dataclass(frozen=True)
class Bare:
    """A picture file for the decoder.

    notes: what was broken or too large and is left out, a phrase each. several: the file has more frames or pages.
    size: width and height in pixels, where they had to be read because the decoder would not ask before it decodes.
    """

    data: bytes
    notes: tuple[str, ...] = ()
    several: bool = False
    size: tuple[int, int] | None = None


def unpacked(packed: bytes, limit: int = MAX_CHUNK) -> tuple[bytes, str]:
    """What zlib makes of the bytes, at most `limit` of it, and what is wrong with them ("" for nothing)."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(packed, max(limit, 1))
    except zlib.error:
        return b"", "it cannot be unpacked"
    if stream.eof:
        return found, ""
    return found, f"it unpacks to more than {limit} bytes" if len(found) >= limit else "it is cut short"
