"""One upload after another through `protect_image`, on one core: images a second, and whose time it is.

    python -m benchmarks.protect_image [--sides 256 512] [--images 12] [--repeats 5]

Uploads: drawn pictures as JPEG of quality 90. Encoder: `encode_image` of the very pixels that are published. Check: the
file read back and compared with the upload. Floor: the upload decoded and the published pixels encoded by Pillow, which
no server can do without. The parts and the whole alternate, so what is left of the whole is measured in the same runs.
Start: a fresh process imports, loads the protector and protects its first upload.
"""

import argparse
import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from PIL import Image

from benchmarks.harness import Figure, Work, alternate, print_figures, quartiles, ratios
from benchmarks.memory import make_corpus
from mem_core import CodebookProtector, load_protector, protect_image
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.data.images import ImageFormat, audit_image, decode_image, encode_image
from mem_core.data.shard_cache import load_shard
from mem_core.protect.protection import Places, Protection, protect_all

_LEAST = 300.0  # uploads of 256 px a second, encoder and check left out
_LONGEST = 1.0  # seconds of processor time until the first upload is protected
_FIRST_CALL = """
import sys, time
start = time.process_time()
from mem_core import load_protector, protect_image
protect_image(open(sys.argv[2], "rb").read(), "A brown dog runs.", load_protector(sys.argv[1]))
print(time.process_time() - start)
"""

Upload = tuple[bytes, str]


def run(*, sides: Sequence[int] = (256, 512), images: int = 12, repeats: int = 5, starts: int = 3) -> list[Figure]:
    """Every size in both formats, then the start."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            place = Path(folder) / str(side)
            uploads = _corpus(place, images, side)
            for image_format in get_args(ImageFormat):
                protector = load_protector(place / "out" / "protector", image_format=image_format)
                figures += _of_one(uploads, protector, image_format, side, repeats)
        figures.append(_start(Path(folder), place / "out" / "protector", uploads[0], starts))
    return figures


def _corpus(place: Path, images: int, side: int) -> list[Upload]:
    """A protected corpus of drawn pictures in `place`/out, and the pictures as uploads."""
    make_corpus(place / "clean", images, images, side)
    clean = LocalFolder(place / "clean" / "train")
    config = ProtectConfig.model_validate({"method": "codebook", "noise": {"topics": 4}})
    protect_all(Protection(Places(clean, LocalFolder(place / "out")), config, RuntimeConfig(device="cpu"), seed=0))
    shard = load_shard(clean, "00000", side * side)
    return [
        (_as_jpeg(Image.fromarray(picture.pixels)), sample.captions[0])
        for picture, sample in zip(shard.pictures, shard.samples, strict=True)
    ]


def _as_jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _of_one(
    uploads: Sequence[Upload], protector: CodebookProtector, image_format: ImageFormat, side: int, repeats: int
) -> list[Figure]:
    most = side * side
    files = [protect_image(data, caption, protector)[0] for data, caption in uploads]
    clean = [decode_image(data, max_pixels=most) for data, _ in uploads]
    shown = [decode_image(file, max_pixels=most) for file in files]
    works: dict[str, Work] = {
        "call": lambda: [protect_image(data, caption, protector) for data, caption in uploads],
        "encoder": lambda: [encode_image(picture, image_format) for picture in shown],
        "check": lambda: [audit_image(one, file, 8) for one, file in zip(clean, files, strict=True)],
        "decoder": lambda: [Image.open(io.BytesIO(data)).load() for data, _ in uploads],
    }
    times = alternate(works, repeats)
    call, encoder, check, decoder = times.values()
    count, case = len(uploads), f"{image_format}, {side} px"
    rest = [count / (a - b - c) for a, b, c in zip(call, encoder, check, strict=True)]
    floor = [a + b for a, b in zip(encoder, decoder, strict=True)]
    return [
        _figure(case, [count / one for one in call], "images/s", "higher"),
        _figure(f"{case}: without encoder and check", rest, "images/s", "higher", _LEAST if side == 256 else None),
        _figure(f"{case}: encoder", [100 * one for one in ratios(encoder, call)], "% of the call"),
        _figure(f"{case}: check", [100 * one for one in ratios(check, call)], "% of the call"),
        _figure(f"{case}: over decoding and encoding alone", ratios(call, floor), "floors"),
    ]


def _start(folder: Path, protector: Path, upload: Upload, starts: int) -> Figure:
    photo = folder / "photo.jpg"
    photo.write_bytes(upload[0])
    command = [sys.executable, "-c", _FIRST_CALL, str(protector), str(photo)]
    taken = [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(starts)]
    return _figure("import, load_protector and first call", taken, "s of a core", bound=_LONGEST)


def _figure(name: str, values: Sequence[float], unit: str, better: str = "lower", bound: float | None = None) -> Figure:
    low, middle, high = quartiles(values)
    return Figure.model_validate(
        {"group": "protect_image", "name": name, "value": middle, "unit": unit, "low": low, "high": high}
        | {"better": better, "bound": bound}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    print_figures(run(sides=given.sides, images=given.images, repeats=given.repeats))


if __name__ == "__main__":
    main()
