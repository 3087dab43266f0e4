"""JPEG: segments of marker, length and bytes up to the first scan."""

from mem_core.data.bare.base import MAX_CHUNK, Bare

_PROFILE = b"ICC_PROFILE\0"
_KEPT = {0xE0: (b"JFIF\0", 14), 0xE1: (b"", 0), 0xED: (b"Photoshop 3.0\0", 14), 0xEE: (b"Adobe", 12)}
"""Marker -> how a segment that has a meaning for the picture or its rights begins, and the bytes that it needs."""
_ASIDE = frozenset({*range(0xE0, 0xF0), 0xFE})  # applications' segments and comments
_ALONE = frozenset({0x01, 0xD8, 0xFF, *range(0xD0, 0xD8)})  # markers without a length, and what fills up
_ENDS = frozenset({0x00, 0xD9, 0xDA})  # no marker, the file's end, a scan


def bare_jpeg(data: bytes) -> Bare:
    """Tables and scans, colour transform, EXIF and XMP; the profile if all its pieces are there.

    The list of further pictures of a phone's file is left out: the main picture is the one that remains.
    """
    kept, pieces, notes, place = [data[:2]], [], [], 2
    while (head := _segment(data, place)) is not None:
        marker, start, place = head
        if marker not in _ASIDE:
            kept.append(data[start:place])
            continue
        body = data[start + 4 : place]
        if marker == 0xE2 and body.startswith(_PROFILE):
            pieces.append((body, data[start:place]))
        elif trouble := _trouble(marker, body):
            notes.append(f"APP{marker & 15} segment left out: {trouble}")
        elif marker in _KEPT and body.startswith(_KEPT[marker][0]):
            kept.append(data[start:place])
    if trouble := _profile_trouble([body for body, _ in pieces]):
        notes.append(f"colour profile left out: {trouble}")
    elif pieces:
        kept[1:1] = [segment for _, segment in pieces]
    return Bare(b"".join([*kept, data[place:]]), tuple(notes))


def _segment(data: bytes, place: int) -> tuple[int, int, int] | None:
    """Marker, first byte and end of the segment at this place; None where the scans begin or sense ends."""
    last = len(data) - 4
    while place <= last and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        length = data[place + 2] << 8 | data[place + 3]
        end = place + 2 + length
        return None if marker in _ENDS or length < 2 or end > len(data) else (marker, place, end)
    return None


def _trouble(marker: int, body: bytes) -> str:
    begins, least = _KEPT.get(marker, (b"", 0))
    if begins and body.startswith(begins[:4]) and len(body) < least:
        return "it is cut short"
    if marker == 0xED and body.startswith(begins) and not _is_list_of_resources(body[len(begins) :]):
        return "it cannot be read"
    return ""


def _is_list_of_resources(rest: bytes) -> bool:
    """Photoshop's: `8BIM`, number, a name with its length, the data with theirs, each brought to an even length."""
    place = 0
    while rest[place : place + 4] == b"8BIM":
        if place + 7 > len(rest):
            return False
        place += 7 + rest[place + 6]
        place += place & 1
        if place + 4 > len(rest):
            return False
        place += 4 + int.from_bytes(rest[place : place + 4], "big")
        place += place & 1
    return place <= len(rest) + 1


def _profile_trouble(pieces: list[bytes]) -> str:
    if not pieces:
        return ""
    if any(len(piece) < 15 for piece in pieces):
        return "a piece of it is cut short"
    if sorted(piece[12] for piece in pieces) != list(range(1, pieces[0][13] + 1)):
        return f"{len(pieces)} pieces came, {pieces[0][13]} were announced"
    size = sum(len(piece) - 14 for piece in pieces)
    return f"it has {size} bytes" if size > MAX_CHUNK else ""
