import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from mem_core.common.errors import ImageError
from mem_core.data.images import Picture, audit_image, crop_to_square, decode_image, encode_image
from tests.support.data_strategies import image_bytes, photo, pictures

LIMIT = 64_000_000
formats = st.sampled_from(["png", "webp"])


def decode(data: bytes, max_pixels: int = LIMIT) -> Picture:
    return decode_image(data, max_pixels=max_pixels)


def png(
    width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, kind: int = 2, rows: bytes = b""
) -> bytes:
    """A PNG with this header, these chunks, and these filtered rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + body


@given(pictures(), formats)
def test_encode_then_decode_is_lossless(picture: Picture, image_format: str) -> None:
    found = decode(encode_image(picture, image_format))
    assert np.array_equal(found.pixels, picture.pixels)
    if picture.alpha is None or picture.alpha.min() == 255:
        assert found.alpha is None
    else:
        assert found.alpha is not None
        assert np.array_equal(found.alpha, picture.alpha)


@given(pictures(), formats)
def test_equal_pictures_give_equal_bytes(picture: Picture, image_format: str) -> None:
    twin = Picture(picture.pixels.copy(), None if picture.alpha is None else picture.alpha.copy())
    assert encode_image(picture, image_format) == encode_image(twin, image_format)


@given(pictures(), st.integers(0, 64), st.integers(0, 2**32 - 1), formats)
def test_audit_never_lets_a_larger_difference_pass(picture: Picture, budget: int, seed: int, image_format: str) -> None:
    random = np.random.default_rng(seed)
    reach = int(random.integers(0, 80))
    noise = random.integers(-reach, reach + 1, size=picture.pixels.shape)
    changed = np.clip(picture.pixels.astype(int) + noise, 0, 255).astype(np.uint8)
    worst = int(np.abs(changed.astype(int) - picture.pixels.astype(int)).max())
    published = encode_image(Picture(changed, picture.alpha), image_format)
    if worst <= budget:
        assert audit_image(picture, published, budget) == worst
    else:
        with pytest.raises(ImageError, match="at most"):
            audit_image(picture, published, budget)


def test_audit_counts_both_signs_without_wrapping_around() -> None:
    dark, light = Picture(np.zeros((2, 2, 3), np.uint8)), Picture(np.full((2, 2, 3), 255, np.uint8))
    for clean, published in ((dark, light), (light, dark)):
        assert audit_image(clean, encode_image(published, "png"), 255) == 255
        with pytest.raises(ImageError, match="got 255"):
            audit_image(clean, encode_image(published, "png"), 254)


def test_audit_refuses_another_size_alpha_or_profile() -> None:
    clean = Picture(photo())
    mask = np.full((8, 12), 9, np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with pytest.raises(ImageError, match="12 x 8, got 8 x 12"):
        audit_image(clean, encode_image(Picture(photo(0, 8, 12)), "png"), 255)
    with pytest.raises(ImageError, match="at most 96 pixels"):
        audit_image(clean, encode_image(Picture(photo(0, 50, 50)), "png"), 255)
    with pytest.raises(ImageError, match="alpha"):
        audit_image(clean, encode_image(Picture(photo(), mask), "png"), 255)
    with pytest.raises(ImageError, match="ICC"):
        audit_image(clean, encode_image(Picture(photo(), None, profile), "png"), 255)


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_profile_is_kept_and_all_else_dropped(image_format: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    data = image_bytes(Image.fromarray(photo()), "JPEG", icc_profile=profile, exif=exif, comment=b"mine")
    picture = decode(data)
    assert picture.icc_profile == profile
    again = encode_image(picture, image_format)
    assert b"where I live" not in again
    with Image.open(io.BytesIO(again)) as image:
        assert image.info.get("icc_profile") == profile
        assert not image.getexif()


def test_modes_become_rgb_by_the_stated_rules() -> None:
    grey = np.arange(96, dtype=np.uint8).reshape(8, 12)
    cases = {
        "L": Image.fromarray(grey),
        "1": Image.fromarray(grey > 40),
        "P": Image.fromarray(photo()).quantize(16),
        "CMYK": Image.fromarray(photo()).convert("CMYK"),
    }
    for mode, image in cases.items():
        assert image.mode == mode
        picture = decode(image_bytes(image, "TIFF"))
        assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB"))), mode
        assert picture.alpha is None


def test_cmyk_jpeg_becomes_rgb_without_its_profile() -> None:
    profile = bytes(16) + b"CMYK" + bytes(200)
    picture = decode(image_bytes(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", icc_profile=profile))
    assert picture.icc_profile is None
    assert picture.pixels[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize(("image_format", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_sixteen_bits_keep_the_high_byte(image_format: str, mode: str) -> None:
    values = np.array([[0x0000, 0x00FF, 0x0100], [0x7FFF, 0x8000, 0xFFFF]], np.uint16)
    image = Image.frombytes(mode, (3, 2), values.astype(">u2" if mode.endswith("B") else "<u2").tobytes())
    picture = decode(image_bytes(image, image_format))
    assert picture.pixels[..., 0].tolist() == [[0, 0, 1], [0x7F, 0x80, 0xFF]]


def test_sixteen_bit_colour_keeps_the_high_byte() -> None:
    row = b"\0" + struct.pack(">HHH", 0x12FF, 0x8000, 0xFFFF)
    assert decode(png(1, 1, depth=16, rows=row)).pixels.tolist() == [[[0x12, 0x80, 0xFF]]]


def test_transparency_of_palette_and_grey_becomes_alpha() -> None:
    palette = Image.fromarray(photo()).quantize(8)
    picture = decode(image_bytes(palette, "PNG", transparency=0))
    assert picture.alpha is not None
    assert set(np.unique(picture.alpha)) == {0, 255}
    assert decode(image_bytes(Image.new("LA", (3, 3), (9, 128)))).alpha is not None
    assert decode(image_bytes(Image.new("RGBA", (3, 3), (9, 9, 9, 255)))).alpha is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = image_bytes(Image.fromarray(photo()), "PNG", exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    assert np.array_equal(decode(data).pixels, np.asarray(upright))
    # what is published is upright as it is
    assert np.array_equal(decode(encode_image(decode(data), "png")).pixels, np.asarray(upright))


def test_broken_exif_counts_as_upright() -> None:
    data = image_bytes(Image.fromarray(photo()), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffjunk")
    assert decode(data).width == 12


def test_one_frame_gif_is_fine_and_animations_are_refused() -> None:
    frames = [Image.fromarray(photo(seed)) for seed in range(3)]
    assert decode(image_bytes(frames[0], "GIF")).width == 12
    for image_format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = image_bytes(frames[0], image_format, save_all=True, append_images=frames[1:])
        with pytest.raises(ImageError, match="several frames"):
            decode(data)


def test_main_picture_of_a_phone_file_is_taken() -> None:
    frames = [Image.fromarray(photo(seed, 64, 48)) for seed in range(2)]
    data = image_bytes(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert np.array_equal(decode(data).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_truncated_files_are_refused(image_format: str, keep: float) -> None:
    data = image_bytes(Image.fromarray(photo(1, 64, 64)), image_format)
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * keep)])


@pytest.mark.parametrize("data", [b"", b"\0", b"not an image", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"%!PS-Adobe-3.0 EPSF"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="expected"):
        decode(data)


@given(st.data())
def test_damaged_files_decode_or_raise_image_error(data: st.DataObject) -> None:
    image_format = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]))
    good = bytearray(image_bytes(Image.fromarray(photo(3)), image_format))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(bytes(good), max_pixels=10_000)
    except ImageError as error:
        assert "0x" not in str(error)
    else:
        assert picture.width * picture.height <= 10_000


@pytest.mark.parametrize("size", [(10_000, 10_001), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_from_their_header(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="64000000 pixels"):
        decode(png(*size))


def test_zero_sizes_are_refused() -> None:
    for size in ((0, 5), (5, 0)):
        with pytest.raises(ImageError):
            decode(png(*size))


def test_32_bit_pixels_are_refused() -> None:
    for image in (Image.new("I", (2, 2)), Image.new("F", (2, 2))):
        with pytest.raises(ImageError, match="got 32"):
            decode(image_bytes(image, "TIFF"))


def test_webp_cannot_be_longer_than_its_format_allows() -> None:
    with pytest.raises(ImageError, match="use png"):
        encode_image(Picture(np.zeros((1, 16_384, 3), np.uint8)), "webp")


def test_a_resized_picture_is_a_square_and_keeps_alpha() -> None:
    picture = Picture(photo(), np.full((8, 12), 128, np.uint8))
    small = crop_to_square(picture, 5)
    assert small.pixels.shape == (5, 5, 3)
    assert small.alpha is not None
    assert np.all(small.alpha == 128)
    assert crop_to_square(small, 5) is small


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (224, 300), (225, 226), (40, 31), (10, 320), (224, 224)])
def test_the_short_side_is_resized_and_the_middle_cut_out_as_torchvision_does(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    side = 224 if min(size) > 100 else 16  # the last two are enlarged
    theirs = CenterCrop(side)(Resize(side, InterpolationMode.BICUBIC)(Image.fromarray(pixels)))
    assert np.array_equal(crop_to_square(Picture(pixels), side).pixels, np.asarray(theirs))


def test_a_picture_without_a_middle_to_speak_of_is_refused() -> None:
    with pytest.raises(ImageError, match="at most 32 times as long as it is wide, got 65 x 2"):
        crop_to_square(Picture(np.zeros((2, 65, 3), np.uint8)), 8)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4), (4, 4, 4)])
def test_pictures_check_their_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        Picture(np.zeros(shape, np.uint8))
