"""A picture survives its metadata: whatever is wrong beside the pixels costs itself, and a note says so."""

import json
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from mem_core.common.errors import ImageError
from mem_core.data.image_metadata import embedded_rights
from mem_core.data.images import Picture, decode_image
from tests.support.data_strategies import image_bytes, photo
from tests.support.picture_files import (
    animated,
    chunk,
    comment,
    good_files,
    in_gif,
    in_jpeg,
    in_png,
    in_tiff,
    in_webp,
    picture,
    pillow_says,
    segment,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

BOMB = zlib.compress(bytes(200 << 20), 9)  # 200 kB that claim 200 MB
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ICC = b"ICC_PROFILE\0"
BROKEN_EXIF = b"MM\0*\xff\xff\xff\xffjunk"
HARMED = {
    "iccp, unknown compression": in_png(chunk(b"iCCP", b"bad\0\1" + zlib.compress(bytes(200)))),
    "iccp, broken zlib": in_png(chunk(b"iCCP", b"bad\0\0" + b"no zlib at all")),
    "iccp, cut zlib": in_png(chunk(b"iCCP", b"bad\0\0" + zlib.compress(PROFILE)[:-40])),
    "iccp, bomb": in_png(chunk(b"iCCP", b"bad\0\0" + BOMB)),
    "iccp, nothing in it": in_png(chunk(b"iCCP", b"")),
    "iccp, no end of its name": in_png(chunk(b"iCCP", b"name")),
    "ztxt of 2 MB": in_png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"workflow " * (2 << 17)))),
    "ztxt, bomb": in_png(chunk(b"zTXt", b"Comment\0\0" + BOMB)),
    "ztxt, unknown compression": in_png(chunk(b"zTXt", b"Comment\0\7" + b"abc")),
    "ztxt, many bombs": in_png(*[chunk(b"zTXt", b"Comment\0\0" + BOMB)] * 50),
    "ztxt, bomb after the pixels": in_png(chunk(b"zTXt", b"Comment\0\0" + BOMB), before=b"IEND"),
    "ztxt, exif in it, bomb": in_png(chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB)),
    "itxt, bomb": in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)),
    "itxt, cut": in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1")),
    "text of 3 MB": in_png(chunk(b"tEXt", b"Comment\0" + b"w" * (3 << 20))),
    "exif chunk of 2 MB": in_png(chunk(b"eXIf", b"MM\0*" + bytes(2 << 20))),
    "wrong checksum": in_png(chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(PROFILE), checksum=7)),
    "wrong checksum, unknown chunk": in_png(chunk(b"prVt", b"abc", checksum=7)),
    "length beyond the end, after the pixels": in_png(chunk(b"tEXt", b"a\0b", length=2**31 - 1), before=b"IEND"),
    "palette's transparency cut": in_png(chunk(b"tRNS", b"\0")),
    "jpeg, profile without its second piece": in_jpeg(segment(0xE2, ICC + b"\1\2" + PROFILE[:100])),
    "jpeg, profile's piece twice": in_jpeg(*[segment(0xE2, ICC + b"\1\2" + PROFILE[:100])] * 2),
    "jpeg, profile's piece cut": in_jpeg(segment(0xE2, ICC)),
    "jpeg, profile of 1.2 MB": in_jpeg(
        *[segment(0xE2, ICC + bytes([number, 20]) + PROFILE.ljust(60_000, b"\0")) for number in range(1, 21)]
    ),
    "jpeg, JFIF cut": in_jpeg(segment(0xE0, b"JFIF\0")),
    "jpeg, Photoshop's resources broken": in_jpeg(segment(0xED, b"Photoshop 3.0\x008BIM\4\4")),
    "webp, exif cut": in_webp(b"EXIF", b"MM\0*", length=5000),
    "webp, profile of 2 MB": in_webp(b"ICCP", bytes(16) + b"RGB " + bytes(2 << 20)),
    "tiff, profile beyond the file": in_tiff((34675, 7, 3000, 10**6)),
    "tiff, profile of no kind": in_tiff((34675, 99, 1, 0)),
    "tiff, next page beyond the file": in_tiff(following=10**7),
}
UNSEEN = {
    "jpeg, exif that is none": in_jpeg(segment(0xE1, b"Exif\0\0XX" + bytes(20))),
    "png, broken exif": in_png(chunk(b"eXIf", b"junk" * 5)),
    "png, short gamma, chroma, density": in_png(chunk(b"gAMA", b"\0"), chunk(b"cHRM", b"\0"), chunk(b"pHYs", b"\0")),
    "png, frames that are none": in_png(chunk(b"acTL", b"\0")),
    "png, private chunk of 5 MB": in_png(chunk(b"prVt", bytes(5 << 20))),
    "jpeg, list of pictures broken": in_jpeg(segment(0xE2, b"MPF\0MM\0*\xff\xff\xff\xff")),
    "jpeg, comments of 6 MB": in_jpeg(*[segment(0xFE, bytes(65_000))] * 100),
    "jpeg, exif with broken entries": in_jpeg(
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x13B, 2, 400, 60_000) + bytes(4))
    ),
    "jpeg, xmp that is none": in_jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta")),
    "webp, broken exif": in_webp(b"EXIF", BROKEN_EXIF),
    "webp, xmp that is none": in_webp(b"XMP ", b"<x:xmpmeta"),
    "gif, comment of 30 MB": in_gif(comment(30 << 20)),
    "gif, extension of no known kind": in_gif(b"\x21\x77\x03abc\0"),
    "tiff, exif beyond the file": in_tiff((34665, 4, 1, 10**6)),
    "tiff, exif that leads to itself": in_tiff((34665, 4, 1, 8)),
    "tiff, unknown tags": in_tiff((60_000, 2, 10**9, 10**9), (60_001, 77, 3, 0)),
}


def decode(data: bytes, animated: str = "refuse") -> Picture:
    return decode_image(data, max_pixels=10**6, animated=animated)  # type: ignore[arg-type]


def expected(data: bytes) -> np.ndarray:
    kind = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"RI": "WEBP", b"GI": "GIF", b"II": "TIFF"}[data[:2]]
    return np.asarray(pillow_says(image_bytes(picture(), kind)))


@pytest.mark.parametrize("name", [*HARMED, *UNSEEN])
def test_what_is_broken_beside_the_pixels_costs_itself(name: str) -> None:
    data = (HARMED | UNSEEN)[name]
    started = time.monotonic()
    tracemalloc.start()
    found = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found.pixels, expected(data))
    assert (found.alpha, found.icc_profile) == (None, None)
    assert embedded_rights(data) == {}
    assert time.monotonic() - started < 10
    assert peak < 3 * len(data) + (10 << 20)
    if name in HARMED:
        assert found.notes
        assert all("left out: " in note for note in found.notes)


@pytest.mark.parametrize("name", good_files())
def test_sound_files_are_decoded_as_pillow_does_and_need_no_note(name: str) -> None:
    data = good_files()[name]
    found, theirs = decode(data, "first-frame"), pillow_says(data)
    assert found.notes == ()
    if "exif" not in name and found.pixels.shape[:2] == (theirs.height, theirs.width):
        assert np.array_equal(found.pixels, np.asarray(theirs)[..., :3])
    else:  # the camera was held upright
        turned = theirs.transpose(Image.Transpose.ROTATE_270)
        assert np.array_equal(found.pixels, np.asarray(turned)[..., :3])


def test_a_sound_profile_is_kept_in_however_many_pieces() -> None:
    second, first = (segment(0xE2, ICC + bytes([place + 1, 2]) + PROFILE[place * 300 :][:300]) for place in (1, 0))
    assert decode(in_jpeg(second, first)).icc_profile == PROFILE[:600]
    for image_format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        data = image_bytes(picture(), image_format, icc_profile=PROFILE)
        assert decode(data).icc_profile == PROFILE, image_format


def test_rights_survive_a_broken_neighbour() -> None:
    exif = Image.Exif()
    exif[0x8298] = "(c) Ada"
    good = image_bytes(picture(), "PNG", exif=exif)
    broken = good[:33] + chunk(b"iCCP", b"bad\0\1x") + chunk(b"zTXt", b"a\0\0" + BOMB) + good[33:]
    assert embedded_rights(broken) == {"copyright": "(c) Ada"}


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_several_frames_are_refused_or_the_first_is_taken(image_format: str) -> None:
    data = animated(image_format)
    with pytest.raises(ImageError, match="several frames") as raised:
        decode(data)
    assert raised.value.code == "animated"
    found = decode(data, "first-frame")
    assert found.first_frame
    assert np.array_equal(found.pixels, np.asarray(pillow_says(data))[..., :3])
    assert not decode(image_bytes(picture(), image_format), "first-frame").first_frame


def test_previews_and_masks_of_a_page_are_no_frames_and_a_raw_file_is_no_picture() -> None:
    first, second = (in_tiff((254, 4, 1, kind)) for kind in (0, 1))
    preview = struct.unpack_from("<I", second, 4)[0]
    both = first[:-4] + struct.pack("<I", len(first)) + second[preview:]  # its strips lie in the first file
    assert np.array_equal(decode(both).pixels, expected(first))
    for raw in (second, in_tiff((50706, 1, 4, 0x0401))):
        with pytest.raises(ImageError, match="camera's raw file") as raised:
            decode(raw)
        assert raised.value.code == "not-an-image"


CUT = {name: data for name, data in good_files().items() if "animated" not in name and name != "phone file"}


@pytest.mark.parametrize("name", CUT)
def test_a_cut_file_is_refused_or_has_every_pixel(name: str) -> None:
    """The rule of truncation, at every 7th byte and at each of the last 30."""
    data = CUT[name]
    whole = decode(data)
    for length in {*range(1, len(data), 7), *range(len(data) - 30, len(data))}:
        try:
            found = decode(data[:length])
        except ImageError as error:
            assert error.code in ("damaged-image", "not-an-image")
            assert error.code == "damaged-image" or length < 16
        else:
            upright = found.pixels.shape == whole.pixels.shape  # a WebP's EXIF stands at its end
            assert upright or found.notes
            assert np.array_equal(found.pixels, whole.pixels if upright else np.rot90(whole.pixels))


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("tail", [bytes(100), b"garbage" * 30, image_bytes(Image.fromarray(photo(9)), "JPEG")])
def test_what_follows_the_end_of_a_file_does_not_matter(name: str, tail: bytes) -> None:
    assert np.array_equal(decode(CUT[name] + tail).pixels, decode(CUT[name]).pixels)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_thousand_mutated_files_decode_or_fail_by_a_code_in_bounded_time_and_memory(seed: int) -> None:
    command = [sys.executable, "-m", "tests.mem_core.data.picture_fuzz", "1000", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert sum(told["outcomes"].values()) == 1000
    assert {"decoded", "noted", "damaged-image", "animated", "too-large", "not-an-image"} <= set(told["outcomes"])
    assert told["slowest"] < 5
    assert told["peak_kb"] < 250_000


def test_libraries_write_nothing_to_the_terminal() -> None:
    exif = segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x13B, 2, 400, 60_000) + bytes(4))
    jpeg_in_tiff = good_files()["jpeg in tiff"]
    files = [in_jpeg(exif), jpeg_in_tiff[:-200], in_tiff((258, 3, 2048, 8)), HARMED["tiff, profile beyond the file"]]
    code = (
        "import sys, json\nfrom mem_core.common.errors import ImageError\n"
        "from mem_core.data.images import decode_image\n"
        "for data in json.load(sys.stdin):\n"
        "    try: decode_image(bytes.fromhex(data), max_pixels=10**6)\n"
        "    except ImageError: pass\n"
    )
    told = json.dumps([data.hex() for data in files])
    done = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
