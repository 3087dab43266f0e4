"""GIF: blocks in blocks of at most 255 bytes."""

from mem_core.data.bare.base import Bare

_EXTENSION, _PICTURE, _CONTROL, _END = 0x21, 0x2C, 0xF9, b";"


def bare_gif(data: bytes) -> Bare:
    """The first frame with its palette and transparency. Comments, which may be endless, and all else are left out."""
    start = 13 + _palette(data, 10)
    kept, place = [data[:start]], start
    while place < len(data):
        kind = data[place]
        if kind == _EXTENSION:
            end = _blocks(data, place + 2)
            if data[place + 1 : place + 2] == bytes([_CONTROL]):
                kept.append(data[place:end])
        elif kind == _PICTURE:
            end = _blocks(data, place + 11 + _palette(data, place + 9))
            return Bare(b"".join([*kept, data[place:end], _END]), (), _goes_on(data, end))
        else:
            break
        place = end
    return Bare(data[:start] + data[place:])


def _palette(data: bytes, place: int) -> int:
    """Bytes of the palette that the flags at this place announce."""
    flags = data[place] if place < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, place: int) -> int:
    """The end of the blocks that begin here: each has its length in front, the last has none."""
    while place < len(data) and data[place]:
        place += 1 + data[place]
    return min(place + 1, len(data))


def _goes_on(data: bytes, place: int) -> bool:
    """Whether another picture follows."""
    while place < len(data) and data[place] == _EXTENSION:
        place = _blocks(data, place + 2)
    return place + 10 <= len(data) and data[place] == _PICTURE
