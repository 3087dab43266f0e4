import pytest

from mem_core.common.errors import ImageError
from mem_core.data.image_formats import FORMATS, IMAGE_SUFFIXES, PICTURE_SUFFIXES, picture_format

STARTS = {
    "JPEG": (b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xdb"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "WebP": (b"RIFF\x24\0\0\0WEBPVP8 ",),
    "AVIF": (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif",
             b"\0\0\0\x1cftypavis\0\0\0\0"),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"),
    "HEIC": (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
             b"\0\0\0\x18ftypmsf1\0\0\0\0hevc"),
    "JPEG XL": (b"\xff\x0a\xfa", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "camera raw": (b"II*\0\x10\0\0\0CR\2\0", b"IIRO\x08\0", b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx \0\0\0\1"),
    "Photoshop": (b"8BPS\0\1",),
    "SVG": (b"<svg/>", b"\n<?xml version='1.0'?>\n<!-- drawn by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'>"),
    "icon": (b"\0\0\1\0\1\0",),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n",),
}  # fmt: skip
HELD = ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .avif .gif .bmp .dib .tif .tiff .heic .heif .hif .jxl"


@pytest.mark.parametrize(("name", "start"), [(name, start) for name, starts in STARTS.items() for start in starts])
def test_the_first_bytes_say_the_format(name: str, start: bytes) -> None:
    if next(known for known in FORMATS if known.name == name).decoders:
        assert picture_format(start + bytes(50)).name == name
    else:
        with pytest.raises(ImageError, match=f"got a {name} file") as raised:
            picture_format(start + bytes(50))
        assert raised.value.code == "not-an-image"


@pytest.mark.parametrize("data", [b"\0", b"<html>", b"not an image", b"GIF90a", b"RIFF\0\0\0\0WAVE", bytes(3000)])
def test_what_is_no_picture_is_refused_by_its_first_bytes(data: bytes) -> None:
    with pytest.raises(ImageError, match="JPEG, PNG, .* got a file that starts") as raised:
        picture_format(data)
    assert raised.value.code == "not-an-image"


def test_no_suffix_is_of_two_formats_and_none_that_corpora_hold_is_missing() -> None:
    suffixes = [suffix for known in FORMATS for suffix in known.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert set(HELD.split()) <= IMAGE_SUFFIXES
    assert IMAGE_SUFFIXES < PICTURE_SUFFIXES
    assert {".cr2", ".nef", ".dng", ".psd", ".svg", ".ico", ".jp2"} <= PICTURE_SUFFIXES - IMAGE_SUFFIXES
    assert not PICTURE_SUFFIXES & {".txt", ".json", ".csv", ".tar", ".parquet", ".pdf", ".caption", ".xml", ".md"}
