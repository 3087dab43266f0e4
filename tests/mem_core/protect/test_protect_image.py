"""The call for servers: the pipeline's bytes for the same key, no torch, a sentence for what it cannot take."""

import hashlib
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mem_core
from mem_core import CodebookProtector, load_protector, protect_image
from mem_core.common.errors import CaptionError, ConfigError, ImageError, MismatchError, SampleError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.data.image_metadata import NOTE
from mem_core.data.images import decode_image
from mem_core.data.shard import shard_bytes
from mem_core.data.table import read_table
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, encoded, odd_images, photo, protect, sample, samples_of, small

CODEBOOK: dict[str, Any] = {"method": "codebook", "noise": {"topics": 4}}
CAPTIONS = (
    "A child in a pink dress is climbing up a set of stairs.",
    "Two dogs",
    'The man\'s "STOP" sign, seen &amp; read;  twice',
    "一个女孩在爬楼梯",
    "Läuft ein Hund über die Straße? 🐕",
    " ".join(f"a dog runs over grass number {n}" for n in range(20)),
    "x",
    "a dog\nand a cat\twith a ball",
)


def turned() -> bytes:
    """A photo taken with the camera on its side, as its EXIF block says."""
    image, exif = photo(20, 48, 30), Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def uploads() -> list[tuple[bytes, str]]:
    """Images of all kinds, with their extensions."""
    return [
        *odd_images().values(),
        (encoded(photo(21, 70, 50), "JPEG"), "jpg"),
        (encoded(photo(22, 50, 70).convert("L"), "JPEG"), "jpg"),
        (encoded(photo(23), "WEBP"), "webp"),
        (encoded(photo(24), "GIF"), "gif"),
        (turned(), "jpg"),
        (encoded(photo(25, 256, 256), "JPEG"), "jpg"),
    ]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Two shards of uploads with a caption each; the last of the second is cut short."""
    folder = LocalFolder(tmp_path_factory.mktemp("corpus") / "clean")
    for shard in ("00000", "00001"):
        items = [
            sample(f"{shard}{i:04d}", data, CAPTIONS[(i + int(shard)) % len(CAPTIONS)], extension=extension)
            for i, (data, extension) in enumerate(uploads())
        ]
        cut = sample(f"{shard}0100", encoded(photo(50))[:200], "a picture cut short")
        write_bytes(folder, f"{shard}.tar", shard_bytes([*items, cut] if shard == "00001" else items))
    return folder


def published(
    clean: LocalFolder, dest: Path, config: ProtectConfig, protector: LocalFolder | None = None
) -> LocalFolder:
    folder = LocalFolder(dest)
    protect(Protection(Places(clean, folder, protector), config, RUNTIME, seed=3))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"image_format": "webp"},
        {"trigger": {"placement": "end"}, "metadata": {"note": "file"}},
        {"trigger": {"placement": "inside", "length": 5}, "image_format": "webp"},
        {"trigger": {"placement": "replace", "source": "captions"}, "noise": {"topics": 2, "waves": 5}},
        {"trigger": {"kind": "random"}, "noise": {"epsilon": "12/255"}},
        {"trigger": {"length": 3}, "quality": {"min_psnr": 32, "min_ssim": 0.5}, "noise": {"topics": 2}},
        {"trigger": {"kind": "none"}},
        {"trigger": {"kind": "random"}, "draw": 2},
        {"draw": 1},
        {"trigger": {"vocabulary": "all"}},
    ],
    ids=str,
)
def test_every_sample_is_what_the_pipeline_publishes(
    clean: LocalFolder, tmp_path: Path, changes: dict[str, Any]
) -> None:
    merged = {**CODEBOOK, **changes, "noise": {**CODEBOOK["noise"], **changes.get("noise", {})}}
    dest = published(clean, tmp_path / "dest", small(**merged))
    protector = load_protector(tmp_path / "dest" / "protector")
    compared = 0
    for shard in ("00000", "00001"):
        found = {one.key: one for one in samples_of(dest, shard)}
        reasons = {row.key: row.reason for row in read_table(read_bytes(dest, f"{shard}.parquet"), shard)}
        for given in samples_of(clean, shard):
            if given.key not in found:
                with pytest.raises(SampleError) as refused:
                    protect_image(given.image, given.captions[0], protector, shard=shard, key=given.key)
                assert str(refused.value) == reasons[given.key]
                continue
            made = protect_image(given.image, given.captions[0], protector, shard=shard, key=given.key)
            assert made == (found[given.key].image, found[given.key].captions[0])
            compared += 1
    assert compared == 2 * len(uploads())


@pytest.fixture(scope="module")
def fitted(clean: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a codebook's protector."""
    dest = tmp_path_factory.mktemp("fitted") / "dest"
    published(clean, dest, small(**CODEBOOK))
    return dest / "protector"


@pytest.fixture(scope="module")
def protector(fitted: Path) -> CodebookProtector:
    return load_protector(fitted)


def test_a_replay_in_another_format_is_the_same_as_well(clean: LocalFolder, fitted: Path, tmp_path: Path) -> None:
    config = small(**CODEBOOK, strategy="replay", image_format="webp")
    dest = published(clean, tmp_path / "later", config, LocalFolder(fitted))
    protector = load_protector((fitted / "protector.json").read_bytes(), image_format="webp")
    given = samples_of(clean, "00000")[13]
    (found,) = [one for one in samples_of(dest, "00000") if one.key == given.key]
    made = protect_image(given.image, given.captions[0], protector, shard="00000", key=given.key)
    assert made == (found.image, found.captions[0])


def test_without_a_key_equal_uploads_become_equal_files(protector: CodebookProtector) -> None:
    one, other = encoded(photo(1, 40, 40)), encoded(photo(2, 40, 40))
    made = protect_image(one, "a dog", protector)
    assert made == protect_image(one, "a dog", protector)
    assert made == protect_image(one, "a dog", protector, key=hashlib.sha256(one).hexdigest())
    assert made[0] != protect_image(one, "a dog", protector, key="another")[0]
    shown, before = (decode_image(data, max_pixels=10_000).pixels.astype(int) for data in (made[0], one))
    assert abs(shown - before).max() == protector.config.noise.epsilon_levels
    assert protect_image(other, "a dog", protector)[1] == made[1]


def test_any_number_of_threads_may_share_a_protector(fitted: Path, clean: LocalFolder) -> None:
    protector, given = load_protector(fitted), samples_of(clean, "00000")
    expected = [protect_image(one.image, one.captions[0], protector, key=one.key) for one in given]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda one: protect_image(one.image, one.captions[0], protector, key=one.key), given * 3)
        assert list(found) == expected * 3


_WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "safetensors", "webdataset", "prefect", "boto3"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from mem_core import load_protector, protect_image

image, caption = protect_image(open(sys.argv[2], "rb").read(), sys.argv[3], load_protector(sys.argv[1]), key="7")
assert not {"open_clip", "pyarrow", "sklearn", "transformers", "typer", "rich"} & set(sys.modules)
sys.stdout.buffer.write(image + caption.encode())
"""


def test_a_machine_without_torch_makes_the_same(fitted: Path, protector: CodebookProtector, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(turned())
    command = [sys.executable, "-c", _WITHOUT_TORCH, str(fitted), str(tmp_path / "photo.jpg"), CAPTIONS[0]]
    found = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    image, caption = protect_image(turned(), CAPTIONS[0], protector, key="7")
    assert found == image + caption.encode()


def test_the_package_itself_loads_nothing_and_knows_no_other_names() -> None:
    code = "import sys, mem_core; assert not {'numpy', 'PIL', 'pydantic', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert all(hasattr(mem_core, name) for name in mem_core.__all__)
    with pytest.raises(AttributeError, match="no attribute protect_images"):
        _ = mem_core.protect_images


PHOTO = encoded(photo(1))


@pytest.mark.parametrize(
    ("data", "caption", "kind", "code", "message"),
    [
        (b"", "a dog", ImageError, "empty-image", "expected an image, got 0 bytes"),
        ("photo.jpg", "a dog", ImageError, "not-an-image", "expected the bytes of an image file, got a str"),
        (b"<html>", "a dog", ImageError, "not-an-image", "expected one of JPEG.*starts b'<html>'"),
        (PHOTO[:-40], "a dog", ImageError, "damaged-image", "expected a whole"),
        (PHOTO, "", CaptionError, "empty-caption", "expected words in the caption, but it is empty"),
        (PHOTO, " - ", CaptionError, "empty-caption", "expected words in the caption, but it is empty"),
        (PHOTO, b"a dog", CaptionError, "caption-not-text", "expected text as caption, got a bytes"),
        (PHOTO, "a \ud800 dog", CaptionError, "caption-not-text", "valid Unicode, got a lone surrogate"),
        (PHOTO, "a" * (16 << 20) + "b", CaptionError, "caption-not-text", "at most 16777216 bytes, got 16777217"),
        (PHOTO + NOTE.encode(), "a dog", SampleError, "protected-already", "its file carries memshield's note"),
    ],
)
def test_what_it_cannot_take_is_named(
    protector: CodebookProtector, data: Any, caption: Any, kind: type[SampleError], code: str, message: str
) -> None:
    with pytest.raises(kind, match=message) as refused:
        protect_image(data, caption, protector)
    assert refused.value.code == code


def test_a_file_of_its_own_is_not_protected_twice(fitted: Path, tmp_path: Path) -> None:
    stored = json.loads((fitted / "protector.json").read_text())
    stored["config"]["metadata"]["note"] = "file"
    protector = load_protector(json.dumps(stored).encode())
    with pytest.raises(SampleError, match="its file carries memshield's note"):
        protect_image(protect_image(PHOTO, "a dog", protector)[0], "a dog", protector)


def test_an_image_of_too_many_pixels_is_refused_by_its_header(fitted: Path) -> None:
    stored = json.loads((fitted / "protector.json").read_text())
    stored["config"]["max_pixels"] = 1000
    with pytest.raises(ImageError, match="expected at most 1000 pixels, got 32 x 32") as refused:
        protect_image(PHOTO, "a dog", load_protector(json.dumps(stored).encode()))
    assert refused.value.code == "too-large"


def test_what_is_no_loaded_protector_is_named(fitted: Path) -> None:
    with pytest.raises(TypeError, match="as load_protector returns it, got a PosixPath"):
        protect_image(PHOTO, "a dog", fitted)  # type: ignore[arg-type]


def changed(fitted: Path, **values: object) -> bytes:
    return json.dumps(json.loads((fitted / "protector.json").read_text()) | values).encode()


def test_a_protector_of_another_method_is_named(fitted: Path) -> None:
    stored = json.loads((fitted / "protector.json").read_text())
    other = {
        "config": small().model_dump(mode="json"),
        "topics": None,
        "surrogates": {"surrogate-000.safetensors": "0" * 64},
        "losses": [1.0],
    }
    with pytest.raises(MismatchError, match="the protector of a codebook in these bytes, got one of mem: its noise"):
        load_protector(json.dumps(stored | other).encode())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2, "code_version": "9.1.0"}, r"format: .*\(memshield 9.1.0 wrote it, this is 0\.\d+\.\d+\)"),
        ({"fingers": 5, "code_version": "9.1.0"}, r"fingers: .*\(memshield 9.1.0 wrote it, this is"),
        ({"vocabulary_sha256": "0" * 64, "code_version": "0.2.0"}, r"makes another \(memshield 0.2.0 wrote it"),
        ({"topics": None}, "expected 4 topics, got 0"),
    ],
)
def test_a_protector_of_another_version_is_named(fitted: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(MismatchError, match=message):
        load_protector(changed(fitted, **values))


def test_where_no_protector_is_that_is_said(tmp_path: Path, fitted: Path) -> None:
    with pytest.raises(ConfigError, match=f"expected a finished protector in .*{tmp_path.name}, but there is none"):
        load_protector(tmp_path)
    with pytest.raises(MismatchError, match="expected a protector in these bytes, which cannot be read"):
        load_protector(b"\x89PNG")
    assert load_protector(str(fitted / "protector.json")).words == load_protector(fitted).words
