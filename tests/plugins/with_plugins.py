"""Run by `test_picture_plugins` where pillow-heif and pillow-jxl-plugin can be imported."""

import io
import struct
from importlib import import_module

import numpy as np
import pytest
from PIL import Image, ImageCms

from mem_core.common.errors import ImageError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CorpusConfig
from mem_core.data.images import Picture, decode_image
from mem_core.data.readers import open_source
from mem_core.data.shard import Sample, open_tar, read_shard
from mem_core.data.sharding.sharder import shard_source
from tests.support.picture_files import picture

import_module("pillow_heif").register_heif_opener()
import_module("pillow_jxl")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = {"HEIF": {}, "JXL": {"lossless": True}}


def made(kind: str, image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **KINDS[kind], **options)
    return stream.getvalue()


def decode(data: bytes, max_pixels: int = 10**6, animated: str = "refuse") -> Picture:
    return decode_image(data, max_pixels=max_pixels, animated=animated)  # type: ignore[arg-type]


def theirs(data: bytes, mode: str = "RGB") -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert(mode))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_alpha_and_profile_are_those_of_the_plugin(kind: str) -> None:
    data = made(kind, picture(), icc_profile=PROFILE)
    found = decode(data)
    assert np.array_equal(found.pixels, theirs(data))
    assert found.icc_profile is not None
    see_through = made(kind, picture().convert("RGBA").rotate(30))
    found = decode(see_through)
    assert found.alpha is not None
    assert np.array_equal(np.dstack([found.pixels, found.alpha]), theirs(see_through, "RGBA"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_refused_and_what_follows_the_end_does_not_matter(kind: str) -> None:
    data = made(kind, picture())
    whole = decode(data)
    assert np.array_equal(decode(data + b"garbage" * 30).pixels, whole.pixels)
    for length in (*range(1, len(data), 11), *range(len(data) - 9, len(data))):
        with pytest.raises(ImageError) as raised:
            decode(data[:length])
        assert raised.value.code in ("damaged-image", "not-an-image")


@pytest.mark.parametrize("kind", KINDS)
def test_broken_exif_costs_itself(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    data = made(kind, picture(), exif=exif.tobytes())
    place = data.index(b"where I live")
    for broken in (data[:place] + b"\xff" * 12 + data[place + 12 :], data.replace(b"Exif\0\0MM", b"Exif\0\0\xff\xff")):
        assert np.array_equal(decode(broken).pixels, decode(data).pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_known_before_anything_is_decoded(kind: str) -> None:
    with pytest.raises(ImageError, match="at most 383 pixels, got 24 x 16") as raised:
        decode(made(kind, picture()), max_pixels=383)
    assert raised.value.code == "too-large"


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (200, 300), (1600, 900), (9, 5), (2000, 1), (257, 4099)])
def test_sizes_of_all_kinds_are_read_from_a_codestream(size: tuple[int, int]) -> None:
    data = made("JXL", Image.new("RGB", size))
    with pytest.raises(ImageError, match=f"got {size[0]} x {size[1]}"):
        decode(data, max_pixels=size[0] * size[1] - 1)
    assert (decode(data, 10**8).width, decode(data, 10**8).height) == size


def test_a_claimed_gigapixel_is_refused_from_its_header() -> None:
    bits = 0 | 3 << 1 | (2**30 - 1) << 3  # not in eighths, 30 bits, 2^30 rows
    bits |= 1 << 33  # as wide as high
    data = b"\xff\x0a" + bits.to_bytes(8, "little") + bytes(100)
    with pytest.raises(ImageError, match="got 1073741824 x 1073741824") as raised:
        decode(data)
    assert raised.value.code == "too-large"


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_phone_held_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = made("HEIF", picture(), exif=exif.tobytes())
    assert np.array_equal(decode(data).pixels, theirs(data))


def test_a_moving_picture_is_refused() -> None:
    data = made("HEIF", picture())
    moving = data[:8] + b"hevc" + data[12:]
    with pytest.raises(ImageError, match="several frames") as raised:
        decode(moving)
    assert raised.value.code == "animated"


def test_mutated_files_decode_or_raise_image_error() -> None:
    random = np.random.default_rng(5)
    files = [made(kind, image) for kind in KINDS for image in (picture(), picture().convert("RGBA").rotate(30))]
    for number in range(300):
        data = bytearray(files[number % len(files)])
        for _ in range(int(random.integers(1, 4))):
            place = int(random.integers(0, len(data) - 4))
            data[place : place + 4] = [random.bytes(1) + data[place + 1 : place + 4], struct.pack(">I", 2**31 - 1)][
                int(random.random() < 0.3)
            ]
        try:
            found = decode(bytes(data), max_pixels=100_000)
        except ImageError:
            continue
        assert found.width * found.height <= 100_000


def test_they_go_into_clean_shards_under_their_own_suffix(tmp_path: object) -> None:
    source, dest = LocalFolder(str(tmp_path) + "/source"), LocalFolder(str(tmp_path) + "/dest")
    with source.write("list.csv") as stream:
        stream.write(b"image,caption\na.HEIC,a red boat\nb.jpg,a cat sleeps\n")
    for name, kind in (("a.HEIC", "HEIF"), ("b.jpg", "JXL")):
        with source.write(name) as stream:
            stream.write(made(kind, picture()))
    shard_source(open_source(source.uri), dest, CorpusConfig(), 0)
    with open_tar(dest.below("train"), "00000") as tar:
        found = [sample for sample in read_shard(tar, "00000") if isinstance(sample, Sample)]
    assert [sample.extension for sample in found] == ["heic", "jxl"]
    assert [decode(sample.image).width for sample in found] == [24, 24]
