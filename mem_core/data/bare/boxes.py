"""AVIF, HEIC and JPEG XL: boxes of length, name and bytes."""

import re
from collections.abc import Callable, Iterator

from mem_core.data.bare.base import Bare

_SEQUENCES = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})  # major brands of what moves
_META = re.compile(rb"(infe[\x02\x03]\0\0[\0\x01](?:.{4}|.{6}))(?:Exif|mime)", re.DOTALL)
_BARE_CODESTREAM = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))  # bits of a number, and what is added to it
_PREVIEW_EIGHTHS, _PREVIEW_SIDE = ((0, 16), (0, 32), (5, 1), (9, 33)), ((6, 1), (8, 65), (10, 321), (12, 1345))


def bare_boxes(data: bytes) -> Bare:
    """The same file, EXIF and XMP under a name that no decoder knows: orientation is a property of its own."""
    for name, start, end in _boxes(data):
        if name == b"meta":
            items = _META.sub(rb"\1free", data[start:end])
            return Bare(data[:start] + items + data[end:], (), data[8:12] in _SEQUENCES)
    return Bare(data)


def bare_codestream(data: bytes) -> Bare:
    """A JPEG XL file's codestream, which knows its profile and orientation; boxes around it are left out.

    Size and animation are read from its first bits: the decoder asks nobody before it decodes, and knows one frame.
    """
    if not data.startswith(_BARE_CODESTREAM):
        boxes = list(_boxes(data))
        whole = [data[start:end] for name, start, end in boxes if name == b"jxlc"][:1]
        data = b"".join(whole or [data[start + 4 : end] for name, start, end in boxes if name == b"jxlp"])
    try:
        size, several = _codestream_header(data)
    except IndexError:
        return Bare(data)  # the decoder will say that it is cut
    return Bare(data, (), several, size)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte of the contents and end of every box at the top."""
    place = 0
    while place + 8 <= len(data):
        size, name, start = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], place + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = place + size if size else len(data)
        if end < start:
            return
        yield name, start, min(end, len(data))
        place = end


def _codestream_header(data: bytes) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether it is animated. Raises IndexError if it is cut."""
    bits = _bits(data)
    size = _size(bits)
    if bits(1):  # all as usual
        return size, False
    if not bits(1):  # no further fields
        return size, False
    bits(3)
    if bits(1):
        _size(bits)
    if bits(1):
        sides = _PREVIEW_EIGHTHS if bits(1) else _PREVIEW_SIDE
        _number(bits, sides)
        if not bits(3):
            _number(bits, sides)
    return size, bool(bits(1))


def _bits(data: bytes) -> Callable[[int], int]:
    """Reads so many bits as a number, the lowest first, after the two bytes of the signature."""
    place = 16

    def read(count: int) -> int:
        nonlocal place
        found = 0
        for number in range(count):
            found |= (data[place >> 3] >> (place & 7) & 1) << number
            place += 1
        return found

    return read


def _number(bits: Callable[[int], int], kinds: tuple[tuple[int, int], ...]) -> int:
    count, added = kinds[bits(2)]
    return bits(count) + added


def _size(bits: Callable[[int], int]) -> tuple[int, int]:
    def side() -> int:
        return (bits(5) + 1) * 8 if in_eighths else _number(bits, _SIDE)

    in_eighths = bool(bits(1))
    height = side()
    ratio = bits(3)
    if ratio == 0:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height
