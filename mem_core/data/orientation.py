"""Which way up a picture belongs, as its EXIF block says."""

from PIL import Image

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> tuple[Image.Transpose | None, tuple[str, ...]]:
    """How to turn the picture, None for not at all, and a note if that cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # hostile bytes lead Pillow to all sorts of errors
        return None, ("EXIF left out: it cannot be read",)
    return _UPRIGHT.get(value) if isinstance(value, int) else None, ()
