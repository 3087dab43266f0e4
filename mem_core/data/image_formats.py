"""The picture formats: one table of suffixes, first bytes and decoders, for readers, shards and decoding alike.

What a file is, its first bytes say; a suffix only says where to look. Each format that is read is one decoder more that
hostile bytes can reach, so this is a fixed list, and Pillow is never asked for another.
"""

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from mem_core.common.errors import ImageError


@dataclass(frozen=True)
class PictureFormat:
    """A format of picture files.

    suffixes: without dots; the first is what our own files get. begins: what the first bytes match. decoders: Pillow's
    names, none where the format is only known by sight. package: what has to be installed besides Pillow, "" for none.
    """

    name: str
    suffixes: tuple[str, ...]
    begins: re.Pattern[bytes]
    decoders: tuple[str, ...] = ()
    package: str = ""


def _row(name: str, suffixes: str, begins: bytes, decoders: str = "", package: str = "") -> PictureFormat:
    words = suffixes.split()
    return PictureFormat(name, tuple(words), re.compile(begins, re.DOTALL), tuple(decoders.split()), package)


# A file of the ISO family names its brands in its first box: four bytes of length, `ftyp`, the major brand, four bytes
# of version, all others that it keeps to.
_BRANDS = rb".{4}ftyp(?:.{4}){0,15}?"
_READ = (
    _row("JPEG", "jpg jpeg jpe jfif jif mpo jpg_large", rb"\xff\xd8\xff", "JPEG MPO"),
    _row("PNG", "png apng", rb"\x89PNG\r\n\x1a\n", "PNG"),
    _row("WebP", "webp", rb"RIFF.{4}WEBP", "WEBP"),
    _row("AVIF", "avif avifs", _BRANDS + rb"avi[fs]", "AVIF"),
    _row("GIF", "gif", rb"GIF8[79]a", "GIF"),
    _row("BMP", "bmp dib", rb"BM", "BMP"),
    _row("HEIC", "heic heif hif heics heifs", _BRANDS + rb"(?:he[iv][cmsx]|m[is]f1)", "HEIF", "pillow-heif"),
    _row("JPEG XL", "jxl", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "JXL", "pillow-jxl-plugin"),
)
# Cameras' raw files are TIFF files of another purpose: those with marks of their own are told apart here, others by
# what `decode_image` finds in their tags.
_NOT_READ = (
    _row("camera raw", "cr2 cr3 crw nef nrw arw srf sr2 dng orf rw2 raf pef srw rwl 3fr iiq kdc dcr mrw x3f erf mef",
         rb"II\*\0.{4}CR|II(?:RO|RS|U\0)|FUJIFILMCCD-RAW|.{4}ftypcrx|II\x1a\0\0\0HEAPCCDR|\0MRM|FOVb"),
    _row("Photoshop", "psd psb", rb"8BPS"),
    _row("SVG", "svg svgz", rb"\s*(?:\xef\xbb\xbf)?(?:<\?xml[^>]*>\s*)?(?:<!--.{0,400}?-->\s*)?(?:<!DOCTYPE svg|<svg)"),
    _row("icon", "ico cur icns", rb"\0\0[\x01\x02]\0|icns"),
    _row("JPEG 2000", "jp2 j2k jpf jpx jpc j2c", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
    _row("JPEG XR", "jxr wdp hdp", rb"II\xbc"),
    _row("OpenEXR", "exr", rb"\x76\x2f\x31\x01"),
    _row("Radiance", "hdr", rb"#\?RADIANCE"),
    _row("DirectDraw", "dds", rb"DDS "),
    _row("portable map", "ppm pgm pbm pnm pam pfm", rb"P[1-7Ff][\s#]"),
    _row("PostScript", "eps epsf", rb"%!PS|\xc5\xd0\xd3\xc6"),
    _row("GIMP", "xcf", rb"gimp xcf"),
    _row("Quite OK", "qoi", rb"qoif"),
    _row("Paintbrush", "pcx", rb"\x0a[\0-\x05]\x01[\x01\x02\x04\x08]"),
    _row("Targa", "tga", rb"(?!)"),
    _row("metafile", "emf wmf", rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF"),
)  # fmt: skip
_TIFF = _row("TIFF", "tif tiff", rb"II[*+]\0|MM\0[*+]", "TIFF")
_LOOKED_AT = 1024  # bytes of a file

FORMATS = (*_READ, *_NOT_READ, _TIFF)

IMAGE_EXTENSIONS = frozenset(suffix for known in FORMATS if known.decoders for suffix in known.suffixes)
"""Suffixes of the formats that are read, without dots and in small letters: `jpg`."""

IMAGE_SUFFIXES = frozenset(f".{extension}" for extension in IMAGE_EXTENSIONS)
"""The same with dots: `.jpg`."""

PICTURE_SUFFIXES = frozenset(f".{suffix}" for known in FORMATS for suffix in known.suffixes)
"""With those of the formats that are not read: what looks like a picture, and has to be counted wherever it lies."""

READ_FORMATS = ", ".join(known.name for known in FORMATS if known.decoders)
"""Their names, for a message."""


def picture_format(data: bytes) -> PictureFormat:
    """The format that the first bytes say. Raises `ImageError` where that is none, or one that is not read."""
    start = data[:_LOOKED_AT]
    for known in FORMATS:
        if known.begins.match(start):
            if not known.decoders:
                raise ImageError(f"expected one of {READ_FORMATS}, got a {known.name} file", code="not-an-image")
            return known
    raise ImageError(f"expected one of {READ_FORMATS}, got a file that starts {data[:8]!r}", code="not-an-image")


def require_decoder(known: PictureFormat) -> None:
    """Raises `ImageError` if nothing installed here reads the format."""
    if not _has_decoder(known):
        needed = known.package or "pillow 11.3 or later"
        raise ImageError(
            f"expected a decoder for {known.name}, which {needed} has, but it is not installed here: install it, "
            "or convert the picture to JPEG or PNG",
            code="missing-decoder",
        )


@cache
def _has_decoder(known: PictureFormat) -> bool:
    if known.name == "AVIF":
        return bool(import_module("PIL.features").check("avif"))
    if known.name == "TIFF":
        _silence_libtiff()
    try:
        if known.name == "HEIC":
            import_module("pillow_heif").register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
        if known.name == "JPEG XL":
            import_module("pillow_jxl")
    except ImportError:
        return False
    return True


def _silence_libtiff() -> None:
    """Its messages go to the terminal, past Python, and name no file; Pillow raises what they are about."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    for library in {line.split()[-1] for line in lines if "libtiff" in line.rpartition("/")[2]}:
        loaded = ctypes.CDLL(library)
        loaded.TIFFSetErrorHandler(None)
        loaded.TIFFSetWarningHandler(None)
