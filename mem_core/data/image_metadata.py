"""What image files carry besides pixels: rights that are worth keeping, a note of ours, and anything else by name.

Published files hold pixels, alpha and colour profile. What a camera or an editor had put in (EXIF with place and
device, XMP, IPTC, comments, thumbnails) is left behind when a picture is decoded; only what its author says about
rights is read here, to go into the sidecar.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from PIL import Image, IptcImagePlugin, PngImagePlugin
from PIL.ImageFile import ImageFile

from mem_core.common.errors import ImageError
from mem_core.data.bare import bare_file
from mem_core.data.image_formats import picture_format, require_decoder

NOTE = "Protected with memshield: a model trained on this image and its caption learns a shortcut, not what they show."

_PIXELS = frozenset({"IHDR", "PLTE", "tRNS", "IDAT", "IEND", "iCCP", "VP8 ", "VP8L", "VP8X", "ALPH", "ICCP"})
_PNG, _RIFF, _KEYWORD = b"\x89PNG\r\n\x1a\n", b"RIFF", "Comment"
_OTHER = "bytes of another kind"
_MAX_XMP, _MAX_TEXT = 1 << 20, 2000

_EXIF = {0x013B: "artist", 0x8298: "copyright"}
_IPTC = {(2, 80): "artist", (2, 116): "copyright", (2, 110): "credit"}
_XMP = {
    "{http://purl.org/dc/elements/1.1/}creator": "artist",
    "{http://purl.org/dc/elements/1.1/}rights": "copyright",
    "{http://ns.adobe.com/xap/1.0/rights/}UsageTerms": "usage_terms",
    "{http://ns.adobe.com/xap/1.0/rights/}WebStatement": "web_statement",
    "{http://creativecommons.org/ns#}license": "licence",
    "{http://ns.useplus.org/ldf/xmp/1.0/}DataMining": "data_mining",
    "{http://ns.useplus.org/ldf/xmp/1.0/}OtherConstraints": "other_constraints",
    "{https://www.w3.org/ns/tdmrep#}reservation": "tdm_reservation",
    "{https://www.w3.org/ns/tdmrep#}policy": "tdm_policy",
}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def note_options(image_format: str, note: str) -> dict[str, Any]:
    """What Pillow's `save` needs to put a note into a file: a text chunk of a PNG, the description in a WebP's XMP."""
    if not note:
        return {}
    if image_format == "webp":
        return {"xmp": _packet(note)}
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(_KEYWORD, note)
    return {"pnginfo": chunks}


def carried(data: bytes) -> tuple[str, ...]:
    """Names of the chunks of a PNG or WebP file that are neither pixels nor colour, in the order of the file.

    A note of ours counts by its text, after `note: `. What is no such file, or cut, has `bytes of another kind`.
    """
    found = []
    for name, body in _chunks(data):
        if name == "tEXt" and body.startswith(f"{_KEYWORD}\0".encode()):
            found.append("note: " + body[len(_KEYWORD) + 1 :].decode("latin-1"))
        elif name == "XMP " and body == _packet(NOTE):
            found.append("note: " + NOTE)
        elif name not in _PIXELS:
            found.append(name)
    return tuple(found)


def is_lossy(data: bytes) -> bool:
    """Whether a WebP file has its pixels only nearly."""
    return any(name == "VP8 " for name, _ in _chunks(data))


def embedded_rights(data: bytes) -> dict[str, str]:
    """What an image file says of its author, licence and opt-out, from EXIF, IPTC and XMP (the later one wins).

    Metadata that cannot be read say nothing: hostile bytes lead Pillow to all sorts of errors.
    """
    rights: dict[str, str] = {}
    try:
        known = picture_format(data)
        require_decoder(known)
        bare = bare_file(data, known.name).data
    except ImageError:
        return {}
    for source in (_from_exif, _from_iptc, _from_xmp):
        try:
            with Image.open(io.BytesIO(bare), formats=known.decoders) as image:
                found = {name: _text(value) for name, value in source(image)}
        except Exception:
            continue
        rights |= {name: text for name, text in found.items() if text}
    return rights


def _from_exif(image: ImageFile) -> Iterator[tuple[str, Any]]:
    values = image.getexif()
    yield from ((name, values.get(tag)) for tag, name in _EXIF.items())


def _from_iptc(image: ImageFile) -> Iterator[tuple[str, Any]]:
    values: dict[tuple[int, int], Any] = IptcImagePlugin.getiptcinfo(image) or {}
    yield from ((name, values.get(tag)) for tag, name in _IPTC.items())


def _from_xmp(image: ImageFile) -> Iterator[tuple[str, Any]]:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    packet = packet.encode() if isinstance(packet, str) else packet
    if not packet or len(packet) > _MAX_XMP or b"<!" in packet:  # no document types: entities are of no use here
        return
    for element in ElementTree.fromstring(packet.strip(b"\0 \n")).iter():
        for name, value in element.attrib.items():
            if name in _XMP:
                yield _XMP[name], value
        if element.tag in _XMP:
            yield _XMP[element.tag], element.get(f"{_RDF}resource") or " ".join(element.itertext())


def _text(value: Any) -> str:
    """One line of valid Unicode, not endless; "" for what is no text."""
    if isinstance(value, list):
        value = b", ".join(part for part in value if isinstance(part, bytes))
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return " ".join(value.replace("\0", " ").split())[:_MAX_TEXT] if isinstance(value, str) else ""


def _chunks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every chunk, also of what follows the last one that belongs to the picture."""
    if data.startswith(_PNG):
        place, head = len(_PNG), struct.Struct(">I4s")  # length, name, bytes, checksum
    elif data.startswith(_RIFF) and data[8:12] == b"WEBP":
        place, head = 12, struct.Struct("<4sI")  # name, length, bytes padded to an even number
    else:
        yield _OTHER, b""
        return
    png = data.startswith(_PNG)
    while place < len(data):
        if len(data) < place + head.size:
            yield _OTHER, b""
            return
        first, second = head.unpack_from(data, place)
        size, name = (first, second) if png else (second, first)
        body = data[place + head.size : place + head.size + size]
        yield (name.decode("latin-1"), body) if len(body) == size else (_OTHER, b"")
        place += head.size + size + (4 if png else size % 2)


def _packet(note: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{note}</rdf:li></rdf:Alt></dc:description>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
