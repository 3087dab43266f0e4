"""Mutates sound picture files and decodes them: `python -m tests.mem_core.data.picture_fuzz COUNT SEED` says what came.

A process of its own, as what libraries write to the terminal, the peak of memory and a crash are of the process.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from mem_core.common.errors import ImageError
from mem_core.data.image_metadata import embedded_rights
from mem_core.data.images import decode_image
from tests.support.picture_files import chunk, comment, good_files, riff, segment

_MAX_PIXELS = 100_000
_HEADERS = 400  # bytes in which most of a file's structure stands


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """One to three changes of a file."""
    for _ in range(int(random.integers(1, 4))):
        place = int(random.integers(0, min(len(data), _HEADERS) if random.random() < 0.7 else len(data)) or 1)
        data = _CHANGES[int(random.integers(len(_CHANGES)))](data, place, random) or b"\0"
    return data


def _flip(data: bytes, place: int, random: np.random.Generator) -> bytes:
    return data[:place] + random.bytes(1) + data[place + 1 :]


def _huge(data: bytes, place: int, random: np.random.Generator) -> bytes:
    return data[:place] + [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)][random.integers(3)] + data[place + 4 :]


def _cut(data: bytes, place: int, random: np.random.Generator) -> bytes:
    return data[:place]


def _hole(data: bytes, place: int, random: np.random.Generator) -> bytes:
    return data[:place] + data[place + int(random.integers(1, 40)) :]


def _twice(data: bytes, place: int, random: np.random.Generator) -> bytes:
    return data[:place] + data[max(0, place - 40) :]


def _insert(data: bytes, place: int, random: np.random.Generator) -> bytes:
    body = random.bytes(int(random.integers(0, 30)))
    made = (
        chunk([b"iCCP", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"tRNS"][random.integers(6)], body),
        segment(int(random.integers(0xC0, 0x100)), body),
        riff([b"ICCP", b"EXIF", b"XMP ", b"ANMF", b"VP8L"][random.integers(5)], body, int(random.integers(0, 2**31))),
        comment(2550),
    )[random.integers(4)]
    starts = [at for at in (data.find(b"IDAT") - 4, data.find(b"\xff\xdb"), data.find(b"VP8")) if at > 0] or [place]
    return data[: starts[0]] + made + data[starts[0] :]


_CHANGES = (_flip, _flip, _huge, _cut, _hole, _twice, _insert)


def main(count: int, seed: int) -> None:
    random, files, outcomes, slowest = np.random.default_rng(seed), list(good_files().values()), Counter[str](), 0.0
    for number in range(count):
        data = mutated(files[number % len(files)], random)
        started = time.monotonic()
        try:
            picture = decode_image(data, max_pixels=_MAX_PIXELS, animated=("refuse", "first-frame")[number % 2])
            assert picture.width * picture.height <= _MAX_PIXELS
            outcomes["noted" if picture.notes else "decoded"] += 1
        except ImageError as error:
            assert "0x" not in str(error).replace("\\x", ""), error
            outcomes[error.code] += 1
        embedded_rights(data)
        slowest = max(slowest, time.monotonic() - started)
    print(json.dumps({"outcomes": outcomes, "slowest": slowest, "peak_kb": peak_memory()}))


def peak_memory() -> int:
    """In kB, of this process: getrusage's begins with that of the process it was started from."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
