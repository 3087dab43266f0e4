"""Picture files of every format that is read here, and their chunks, segments and tags to put something between."""

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.support.data_strategies import image_bytes, photo


def chunk(name: bytes, body: bytes, checksum: int | None = None, length: int | None = None) -> bytes:
    """A chunk of a PNG."""
    checksum = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body) if length is None else length) + name + body + struct.pack(">I", checksum)


def in_png(*chunks: bytes, before: bytes = b"IDAT", mode: str = "RGB") -> bytes:
    """A PNG with these chunks in front of its pixels, or of its end."""
    whole = image_bytes(picture().convert(mode), "PNG")
    place = whole.index(before) - 4
    return whole[:place] + b"".join(chunks) + whole[place:]


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def in_jpeg(*segments: bytes) -> bytes:
    """A JPEG with these segments behind its first two bytes."""
    whole = image_bytes(picture(), "JPEG")
    return whole[:2] + b"".join(segments) + whole[2:]


def in_webp(name: bytes, body: bytes, length: int | None = None) -> bytes:
    """A WebP file of the extended kind, which this chunk of metadata ends."""
    whole = image_bytes(picture(), "WEBP", exif=b"Exif\0\0MM\0*")
    if name == b"ICCP":  # stands in front of the pixels
        place = whole.index(b"VP8 ")
        made = whole[12:place] + riff(name, body, length) + whole[place : whole.index(b"EXIF")]
    else:
        made = whole[12 : whole.index(b"EXIF")] + riff(name, body, length)
    flags = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}[name]
    made = made[:8] + bytes([flags]) + made[9:]
    return b"RIFF" + struct.pack("<I", len(made) + 4) + b"WEBP" + made


def riff(name: bytes, body: bytes, length: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if length is None else length) + body + b"\0" * (len(body) % 2)


def in_gif(extension: bytes) -> bytes:
    """A GIF with an extension in front of its first picture."""
    whole = image_bytes(picture(), "GIF")
    place = 13 + (3 << ((whole[10] & 7) + 1) if whole[10] & 0x80 else 0)
    return whole[:place] + extension + whole[place:]


def comment(size: int) -> bytes:
    """A comment of a GIF."""
    rest = bytes([65]) * 255
    return b"\x21\xfe" + (b"\xff" + rest) * (size // 255) + b"\0"


def in_tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF with these entries (tag, kind, count, value) too, and with this place as that of the next page."""
    whole = image_bytes(picture(), "TIFF")
    start = struct.unpack_from("<I", whole, 4)[0]
    count = struct.unpack_from("<H", whole, start)[0]
    old = [whole[start + 2 + 12 * number : start + 14 + 12 * number] for number in range(count)]
    made = sorted(old + [struct.pack("<HHII", *entry) for entry in entries], key=lambda entry: entry[:2][::-1])
    directory = struct.pack("<H", len(made)) + b"".join(made) + struct.pack("<I", following)
    return whole[:4] + struct.pack("<I", len(whole)) + whole[8:] + directory


def picture() -> Image.Image:
    return Image.fromarray(photo(3, 24, 16))


def animated(image_format: str) -> bytes:
    """Three frames, or pages."""
    frames = [Image.fromarray(photo(seed, 24, 16)) for seed in range(3)]
    return image_bytes(frames[0], image_format, save_all=True, append_images=frames[1:], duration=50)


def good_files() -> dict[str, bytes]:
    """A sound file of each format and of the ways of storing pixels that differ in how they are read."""
    image = picture()
    see_through = image.convert("RGBA").rotate(30)
    made: dict[str, Callable[[], bytes]] = {
        "jpeg": lambda: image_bytes(image, "JPEG", exif=_turned()),
        "progressive jpeg": lambda: image_bytes(image, "JPEG", progressive=True, comment=b"mine"),
        "grey jpeg": lambda: image_bytes(image.convert("L"), "JPEG"),
        "cmyk jpeg": lambda: image_bytes(image.convert("CMYK"), "JPEG"),
        "png": lambda: image_bytes(image, "PNG", exif=_turned()),
        "palette png": lambda: image_bytes(image.quantize(16), "PNG", transparency=0),
        "alpha png": lambda: image_bytes(see_through, "PNG"),
        "gif": lambda: image_bytes(image, "GIF", comment=b"mine"),
        "bmp": lambda: image_bytes(image, "BMP"),
        "tiff": lambda: image_bytes(image, "TIFF", exif=_turned()),
        "big tiff": lambda: image_bytes(image, "TIFF", big_tiff=True),
        "lzw tiff": lambda: image_bytes(image, "TIFF", compression="tiff_lzw"),
        "jpeg in tiff": lambda: image_bytes(image, "TIFF", compression="jpeg"),
        "webp": lambda: image_bytes(image, "WEBP", exif=_turned()),
        "lossless webp": lambda: image_bytes(see_through, "WEBP", lossless=True, xmp=b"<x/>"),
        "avif": lambda: image_bytes(image, "AVIF", exif=_turned()),
        "alpha avif": lambda: image_bytes(see_through, "AVIF"),
        "animated gif": lambda: animated("GIF"),
        "animated png": lambda: animated("PNG"),
        "animated webp": lambda: animated("WEBP"),
        "phone file": lambda: image_bytes(image, "MPO", save_all=True, append_images=[image]),
    }
    return {name: make() for name, make in made.items()}


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def pillow_says(data: bytes) -> Image.Image:
    """The picture as Pillow alone decodes a sound file."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
