"""Generated photographs of any size, and, as a program, the memory that each step takes for some of one size.

python -m tests.support.large_pictures WIDTH HEIGHT COUNT FOLDER
"""

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mem_core.audit.certificate.certificate import Audit
from mem_core.audit.certificate.evidence import certify, read_made
from mem_core.audit.certificate.page import write_certificate
from mem_core.audit.preview import write_preview
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.data.images import Picture, encode_image
from mem_core.data.shard import Sample, shard_bytes
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, small


def landscape(width: int, height: int) -> Picture:
    """A sky, hills and grain at full resolution, like a photograph; made row by row without large temporaries."""
    draw = np.random.default_rng(width * height)
    pixels = np.empty((height, width, 3), np.uint8)
    hills = (np.sin(np.arange(width) / max(8, width / 7)) * 0.15 + 0.6) * height
    for y in range(height):
        sky = np.array([120 + 90 * y // height, 160, 210 - 60 * y // height])
        ground = np.array([70, 100 - 40 * y // height, 50])
        row = np.where((y < hills)[:, None], sky, ground) + draw.integers(-6, 7, (width, 3))
        pixels[y] = row.clip(0, 255)
    return Picture(pixels)


def corpus_of(folder: LocalFolder, sizes: list[tuple[int, int]]) -> None:
    """One shard of landscapes."""
    samples = [
        Sample(f"00000{i:04d}", encode_image(landscape(*size), "png"), "png", (f"hills of {size[0]}", "a sky"))
        for i, size in enumerate(sizes)
    ]
    write_bytes(folder, "00000.tar", shard_bytes(samples))


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def _peak(work: Callable[[], Any]) -> int:
    """Bytes that the work takes at most, above what is held before; Linux forgets earlier peaks when asked to."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    work()
    return _memory("VmHWM") - before


def main() -> None:
    width, height, count, place = *map(int, sys.argv[1:4]), Path(sys.argv[4])
    clean, dest, out = (LocalFolder(place / name) for name in ("clean", "dest", "out"))
    corpus_of(clean, [(width, height)] * count)
    config = small(method="random-noise", quality={"min_psnr": 36})
    protection = Protection(Places(clean, dest), config, RUNTIME.model_copy(update={"cache_mb": 0}), seed=0)
    tokenize = Tokenizer(77).encode
    found = {"publish": _peak(lambda: protection.publish("00000"))}
    protection.finish()
    problems: list[Any] = []
    found["verify"] = _peak(lambda: problems.extend(verify_corpus(clean, dest, tokenize=tokenize).problems))
    found["preview"] = _peak(lambda: write_preview(clean, dest, out, count))
    found["certify"] = _peak(lambda: write_certificate(out, certify(read_made(dest), Audit(compared=True), [])))
    sys.stdout.write(json.dumps({"problems": len(problems), **found}) + "\n")


if __name__ == "__main__":
    main()
