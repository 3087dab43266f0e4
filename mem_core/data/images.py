"""Images in, images out: decoded by stated rules, encoded losslessly, audited after encoding.

What a file becomes, whatever its format:

    16-bit channels       the high byte of each channel
    grey, palette, 1-bit  RGB; CMYK by Pillow's formula (no colour management)
    transparency          a separate alpha channel; a fully opaque one is dropped
    EXIF orientation      applied; an unreadable EXIF block counts as "upright"
    ICC profile           kept if it describes RGB, else dropped with the colour space it described
    several frames        refused, or the first is taken where the caller asks so; of what has a main picture (phone
                          cameras' MPO and HEIC files) or stands for a page (a TIFF's previews and masks), that one
    other metadata        nothing that is broken or huge costs the picture: see `bare`; the picture has a note of it
    truncation            a file is refused if a row of its pixels is not all there; what comes after the last one, be
                          it cut, missing or garbage, is of no interest. A JPEG without its end mark counts as cut:
                          where its pixels end, nothing else would say
"""

import io
import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from mem_core.common.errors import ImageError
from mem_core.data.bare import bare_file
from mem_core.data.bare.base import MAX_CHUNK
from mem_core.data.image_formats import picture_format, require_decoder
from mem_core.data.image_metadata import note_options
from mem_core.data.orientation import upright

Pixels = npt.NDArray[np.uint8]
ImageFormat = Literal["png", "webp"]

_COUNTS_FRAMES = frozenset({"WebP", "AVIF"})  # formats whose frames the decoder counts
_MAX_SIDE = {"png": 2**31 - 1, "webp": 16_383}
_MAX_ASPECT = 32  # of a picture that is to be cut to a square

# Measured on 24 Flickr8k photos (Pillow 13, zlib 1.2.13, libwebp 1.6, one core): share of the raw size and images
# per second. Uniform noise of +-8 levels leaves zlib nothing to match, so all that pays in a PNG is Huffman coding of
# filtered rows: Z_RLE gives level 9's bytes at twice its speed, and still folds the flat areas of drawn pictures.
#                           noise, 128 px   noise, 512 px   clean, 128 px   clean, 512 px
#   PNG level 1              0.78  670/s     0.69  40/s      0.64  860/s     0.35  80/s
#   PNG level 6 (default)    0.74  575/s     0.63  27/s      0.63  400/s     0.30  18/s
#   PNG Z_RLE                0.74  950/s     0.63  56/s      0.64 1120/s     0.32  82/s
#   WebP method 0            0.71 2600/s     0.66 196/s      0.46 2100/s     0.26 117/s
#   WebP method 1            0.69  980/s     0.59  65/s      0.43  790/s     0.20  40/s
#   WebP method 4, q 80      0.68   67/s     0.58  15/s
# So WebP is the smaller and no slower; PNG stays the default because everything reads it.
_Z_RLE = 3
_SAVE: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 6, "compress_type": _Z_RLE},
    # exact: otherwise the colours under transparent pixels are rewritten
    "webp": {"format": "WEBP", "lossless": True, "exact": True, "method": 1, "quality": 0},
}

# Sizes are checked here against max_pixels, and what Pillow warns of in a file names no file.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.|pillow_")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image.

    pixels: uint8 [H, W, 3], RGB, 0..255. alpha: uint8 [H, W] or None where every pixel is opaque.
    icc_profile: the RGB colour profile the numbers are meant in, or None for sRGB. notes: what else of the file was
    broken and left out, a phrase each. first_frame: the file has more of them.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()
    first_frame: bool = False

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"expected uint8 pixels [H, W, 3], got {self.pixels.dtype} {list(shape)}")
        if self.alpha is not None and (self.alpha.dtype != np.uint8 or self.alpha.shape != shape[:2]):
            raise ValueError(f"expected uint8 alpha {list(shape[:2])}, got {self.alpha.dtype} {list(self.alpha.shape)}")

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def by_row(pixels: Pixels) -> Pixels:
    """The same pixels [H, W, 3], each row channel by channel in memory: so views take them, batch after batch."""
    return np.ascontiguousarray(pixels.transpose(0, 2, 1)).transpose(0, 2, 1)


def decode_image(data: bytes, *, max_pixels: int, animated: Literal["refuse", "first-frame"] = "refuse") -> Picture:
    """The picture in a file of any format that `image_formats` reads, by the rules at the top of this file.

    The size is read from the header and checked before any pixel is decoded. Raises `ImageError` with the reason and
    its code: empty, not an image, no decoder, cut or damaged, several frames, more than `max_pixels`, 32-bit pixels.
    """
    if not data:
        raise ImageError("expected an image, got 0 bytes", code="empty-image")
    known = picture_format(data)
    require_decoder(known)
    try:
        bare = bare_file(data, known.name)
        if bare.size is not None:
            _check_size(*bare.size, max_pixels)
        with Image.open(io.BytesIO(bare.data), formats=known.decoders) as image:
            _check_size(*image.size, max_pixels)
            several = bare.several or (known.name in _COUNTS_FRAMES and getattr(image, "is_animated", False))
            if several and animated == "refuse":
                raise ImageError(f"expected one picture, got a {known.name} file with several frames", code="animated")
            if image.mode in ("I", "F"):
                raise ImageError("expected 8 or 16 bits a channel, got 32", code="not-an-image")
            image.load()
            return _as_picture(image, bare.notes, several)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"expected a whole {known.name} file, but its header cannot be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"expected at most {max_pixels} pixels: {_plain(error)}", code="too-large") from None
    except Exception as error:  # Pillow's decoders raise whatever hostile bytes lead them to
        raise ImageError(f"expected a whole image, but it cannot be decoded: {_plain(error)}") from error


def encode_image(picture: Picture, image_format: ImageFormat, note: str = "") -> bytes:
    """A lossless file of the picture; equal pictures give equal bytes (for the same Pillow, zlib and libwebp).

    Nothing but pixels, alpha, ICC profile and, if one is given, the note is in it (see `embedded.note_options`).
    Raises `ImageError` if a side is too long for the format.
    """
    if max(picture.width, picture.height) > _MAX_SIDE[image_format]:
        limit = _MAX_SIDE[image_format]
        raise ImageError(
            f"expected sides of at most {limit} for {image_format}, got {_size(picture)}; use png", code="too-large"
        )
    stream = io.BytesIO()
    options = _SAVE[image_format] | ({"icc_profile": picture.icc_profile} if picture.icc_profile else {})
    _as_image(picture).save(stream, **options, **note_options(image_format, note))
    return stream.getvalue()


def audit_image(clean: Picture, published: bytes, epsilon_levels: int) -> int:
    """Decodes published bytes and returns the largest |difference| to `clean`, in levels of 1/255.

    Raises `ImageError` if that is more than `epsilon_levels`, or if size, alpha or ICC profile differ.
    """
    found = decode_image(published, max_pixels=clean.width * clean.height)
    if found.pixels.shape != clean.pixels.shape:
        raise ImageError(f"expected a published image of {_size(clean)}, got {_size(found)}")
    if not _same_alpha(clean, found):
        raise ImageError("expected the alpha channel of the clean image, but the published one differs")
    if (clean.icc_profile or None) != found.icc_profile:
        raise ImageError("expected the ICC profile of the clean image, but the published one differs")
    worst = max(_largest_difference(clean.pixels[band], found.pixels[band]) for band in _bands(clean))
    if worst > epsilon_levels:
        raise ImageError(f"expected differences of at most {epsilon_levels} levels, got {worst}")
    return worst


def crop_to_square(picture: Picture, side: int) -> Picture:
    """Its shorter side brought to `side` pixels (bicubic, antialiased), then the square in the middle: as CLIP does.

    A smaller picture is enlarged. The long side is rounded down and an odd rest of the crop to even, as torchvision's
    `Resize` and `CenterCrop` do, so the pixels are those that the original code trains on. Raises `ImageError` for one
    so long that its middle says nothing of it (and that would take too much memory once resized).
    """
    if picture.width == picture.height == side:
        return picture
    short, long = sorted((picture.width, picture.height))
    if long > _MAX_ASPECT * short:
        raise ImageError(f"expected a picture at most {_MAX_ASPECT} times as long as it is wide, got {_size(picture)}")
    width, height = (side * length // short for length in (picture.width, picture.height))
    image = _as_image(picture).resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - side) / 2), round((height - side) / 2)
    image = image.crop((left, top, left + side, top + side))
    return Picture(*_pixels_and_alpha(image), picture.icc_profile)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"expected at least one pixel, got an image of {width} x {height}")
    if width * height > max_pixels:
        raise ImageError(f"expected at most {max_pixels} pixels, got {width} x {height}", code="too-large")


def _as_picture(image: Image.Image, notes: tuple[str, ...], first_frame: bool) -> Picture:
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or profile[16:20] != b"RGB ":
        profile = None
    turned, unread = upright(image)
    notes += unread
    if profile and len(profile) > MAX_CHUNK:
        notes += (f"colour profile left out: it has {len(profile)} bytes",)
        profile = None
    if image.mode.startswith("I;16"):
        high_bytes = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        image = Image.fromarray(high_bytes)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    image = image if turned is None else image.transpose(turned)
    return Picture(*_pixels_and_alpha(image), profile, notes, first_frame)


def _pixels_and_alpha(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    values = np.array(image)
    if image.mode == "RGB":
        return values, None
    alpha = values[..., 3].copy()
    # WebP drops an opaque alpha channel by itself: without this rule the two formats would disagree
    return np.ascontiguousarray(values[..., :3]), None if alpha.min() == 255 else alpha


def _as_image(picture: Picture) -> Image.Image:
    if picture.alpha is None or picture.alpha.min() == 255:
        return Image.fromarray(np.ascontiguousarray(picture.pixels))
    return Image.fromarray(np.dstack([picture.pixels, picture.alpha]))


def _bands(picture: Picture) -> Iterator[slice]:
    """Rows of about a million pixels at a time: copies of them take no memory worth naming."""
    step = max(1, (1 << 20) // picture.width)
    yield from (slice(start, start + step) for start in range(0, picture.height, step))


def _largest_difference(one: Pixels, other: Pixels) -> int:
    return int((np.maximum(one, other) - np.minimum(one, other)).max())


def _same_alpha(one: Picture, other: Picture) -> bool:
    opaque = np.uint8(255)
    first = opaque if one.alpha is None else one.alpha
    second = opaque if other.alpha is None else other.alpha
    return bool(np.all(first == second))


def _size(picture: Picture) -> str:
    return f"{picture.width} x {picture.height}"


def _plain(error: BaseException) -> str:
    """The message without memory addresses, so that equal input gives equal reasons."""
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))
    return text[:200] or type(error).__name__
