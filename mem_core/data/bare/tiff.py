"""TIFF: directories of tags, a page each, anywhere in the file."""

import struct
from dataclasses import dataclass

from mem_core.common.errors import ImageError
from mem_core.data.bare.base import MAX_CHUNK, Bare

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_SUBFILE, _REDUCED_OR_MASK, _DNG = 254, 5, 50706
# How the pixels are stored: sizes, compression, strips or tiles, palette, JPEG tables, YCbCr, and the orientation.
_ALONE = (262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 301, 317, 320, 321, 332, 334, 347)
_NEEDED = frozenset((*_ALONE, *range(254, 260), *range(322, 326), *range(338, 342), *range(512, 522), *range(529, 533)))
_WELCOME = {315: "artist", 700: "XMP", 33432: "copyright", 33723: "IPTC", 34675: "colour profile"}
_MAX_PAGES = 64


@dataclass(frozen=True)
class _Layout:
    """Byte order, and the sizes of a directory's fields: those of BigTIFF are twice as long."""

    order: str
    big: bool

    def number(self, data: bytes, place: int, short: bool = False) -> int:
        """The field at this place, or -1 beyond the file's end."""
        code = "H" if short else "Q" if self.big else "I"
        size = struct.calcsize(code)
        return struct.unpack_from(self.order + code, data, place)[0] if 0 <= place <= len(data) - size else -1

    @property
    def entry(self) -> int:
        return 20 if self.big else 12

    @property
    def head(self) -> int:
        return 8 if self.big else 2


def bare_tiff(data: bytes) -> Bare:
    """The first page with the tags that its pixels need. Pages that only are previews or masks of it do not count.

    Raises `ImageError` for a camera's raw file: what a decoder takes from it is its thumbnail.
    """
    layout = _Layout("<" if data[:2] == b"II" else ">", 43 in data[2:4])
    first = layout.number(data, 8 if layout.big else 4)
    count = _count(data, layout, first)
    if count < 1:
        return Bare(data)
    entries = [_entry(data, layout, first, number) for number in range(count)]
    if any(tag == _DNG or (tag == _SUBFILE and _value(data, layout, entry) & 1) for tag, entry in entries):
        raise ImageError(
            "expected a picture, got a camera's raw file (its first page is a preview)", code="not-an-image"
        )
    kept, notes = [], []
    for tag, entry in entries:
        trouble = _trouble(data, layout, entry) if tag in _WELCOME else ""
        if trouble:
            notes.append(f"{_WELCOME[tag]} tag left out: {trouble}")
        elif tag in _NEEDED or tag in _WELCOME:
            kept.append(entry)
    several, lost = _pages(data, layout, first)
    return Bare(_rewritten(data, layout, first, kept), (*notes, *lost), several)


def _count(data: bytes, layout: _Layout, place: int) -> int:
    """Entries of the directory at this place, -1 if it is not all there."""
    count = layout.number(data, place, short=not layout.big)
    return count if 0 <= count <= (len(data) - place) // layout.entry else -1


def _entry(data: bytes, layout: _Layout, directory: int, number: int) -> tuple[int, bytes]:
    place = directory + layout.head + number * layout.entry
    return layout.number(data, place, short=True), data[place : place + layout.entry]


def _value(data: bytes, layout: _Layout, entry: bytes) -> int:
    """The one number of an entry, which stands in it."""
    kind = layout.number(entry, 2, short=True)
    code = {1: "B", 3: "H", 4: "I"}.get(kind)
    return (
        int(struct.unpack_from(layout.order + code, entry, layout.entry - (8 if layout.big else 4))[0]) if code else 0
    )


def _trouble(data: bytes, layout: _Layout, entry: bytes) -> str:
    size = _SIZES.get(layout.number(entry, 2, short=True), 0) * layout.number(entry, 4)
    inline = 8 if layout.big else 4
    place = layout.number(entry, layout.entry - inline)
    if size < 1:
        return "its kind is unknown or it is empty"
    if size > inline and place + size > len(data):
        return "it is cut short"
    return f"it has {size} bytes" if size > MAX_CHUNK else ""


def _pages(data: bytes, layout: _Layout, first: int) -> tuple[bool, tuple[str, ...]]:
    """Whether a further page is a picture of its own, and what is wrong with the list of pages."""
    seen, place = {first}, first
    for _ in range(_MAX_PAGES):
        count = _count(data, layout, place)
        place = layout.number(data, place + layout.head + count * layout.entry)
        if place <= 0 or place in seen:
            return False, ()
        seen.add(place)
        count = _count(data, layout, place)
        if count < 1:
            return False, ("further page left out: its directory is not in the file",)
        tags = dict(_entry(data, layout, place, number) for number in range(count))
        if _SUBFILE not in tags or not _value(data, layout, tags[_SUBFILE]) & _REDUCED_OR_MASK:
            return True, ()
    return True, ()


def _rewritten(data: bytes, layout: _Layout, directory: int, entries: list[bytes]) -> bytes:
    """The file with these entries alone in its first directory, and no page after it."""
    count = struct.pack(layout.order + ("Q" if layout.big else "H"), len(entries))
    made = count + b"".join(entries) + bytes(8 if layout.big else 4)
    return b"".join([data[:directory], made, data[directory + len(made) :]])
