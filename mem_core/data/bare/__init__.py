"""Picture files without what their pixels do not need, so that no other part of them can cost the picture.

A decoder reads a file's metadata before its pixels, and one broken or huge chunk ends it there. So a file is taken
apart first, in one pass over its headers: what is needed for pixels, colour and orientation goes to the decoder, if it
is sound and of a size that such things have; the rest is left out, unread. What a chunk claims of its own size is
never believed: at most a megabyte is unpacked, of all chunks of a file together.
"""

from collections.abc import Callable

from mem_core.data.bare.base import Bare
from mem_core.data.bare.boxes import bare_boxes, bare_codestream
from mem_core.data.bare.gif import bare_gif
from mem_core.data.bare.jpeg import bare_jpeg
from mem_core.data.bare.png import bare_png
from mem_core.data.bare.tiff import bare_tiff
from mem_core.data.bare.webp import bare_webp

_BY_FORMAT: dict[str, Callable[[bytes], Bare]] = {
    "JPEG": bare_jpeg,
    "PNG": bare_png,
    "WebP": bare_webp,
    "GIF": bare_gif,
    "TIFF": bare_tiff,
    "AVIF": bare_boxes,
    "HEIC": bare_boxes,
    "JPEG XL": bare_codestream,
}


def bare_file(data: bytes, format_name: str) -> Bare:
    """The file for the decoder, by the name of its format in `image_formats`. Of several frames: the first one's.

    Raises `ImageError` for what has a format's first bytes and is meant for something else.
    """
    return _BY_FORMAT.get(format_name, Bare)(data)
