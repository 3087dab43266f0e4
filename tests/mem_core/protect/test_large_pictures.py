"""Images of 32 to 8,000 pixels a side, up to 1:20: protected, audited, shown, certified, in memory of a few of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mem_core.audit.certificate.certificate import Audit
from mem_core.audit.certificate.evidence import certify, read_made
from mem_core.audit.certificate.page import certificate_headline
from mem_core.audit.preview import write_preview
from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import LocalFolder, read_bytes
from mem_core.data.table import read_table
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, protect, small
from tests.support.large_pictures import corpus_of

SIZES = [(32, 32), (32, 640), (640, 32), (640, 480), (2000, 100), (257, 333), (160, 3200)]
_BASE = 64 * 2**20  # what libraries take the first time they are used


def test_every_size_and_aspect_is_protected_audited_shown_and_certified(tmp_path: Path) -> None:
    clean, dest, out = (LocalFolder(tmp_path / name) for name in ("clean", "dest", "out"))
    corpus_of(clean, SIZES)
    protect(Protection(Places(clean, dest), small(quality={"min_psnr": 36}), RUNTIME, seed=0))
    rows = read_table(read_bytes(dest, "00000.parquet"))
    assert [(row.width, row.height) for row in rows] == SIZES
    assert all(row.status == "protected" for row in rows)
    assert all(row.psnr is not None and row.psnr >= 36 for row in rows)
    assert all(1 <= row.max_abs_difference <= (row.backed_off_to or 8) for row in rows)
    report = verify_corpus(clean, dest, tokenize=Tokenizer(77).encode)
    assert not report.problems
    found = write_preview(clean, dest, out, len(SIZES))
    assert set(found.samples) == {row.key for row in rows}
    page = read_bytes(out, "preview.html").decode()
    assert all(f"{width} \N{MULTIPLICATION SIGN} {height}" in page for width, height in SIZES)
    assert f"{len(SIZES)} samples protected" in certificate_headline(certify(read_made(dest), Audit(compared=True), []))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux forgets peaks of memory when asked")
def test_memory_is_that_of_a_few_images_at_1_to_20(tmp_path: Path) -> None:
    check_memory(8000, 400, 2, tmp_path)


@pytest.mark.slow
def test_memory_is_that_of_a_few_images_at_8000_pixels_a_side(tmp_path: Path) -> None:
    check_memory(8000, 8000, 1, tmp_path)


def check_memory(width: int, height: int, count: int, place: Path) -> None:
    """Of images in work: four are encoded side by side, unless they are large; elsewhere there is one at a time."""
    image = 3 * width * height
    words = [sys.executable, "-m", "tests.support.large_pictures", *map(str, (width, height, count)), str(place)]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == 0
    assert found["publish"] < count * 13 * image + _BASE
    assert max(found["verify"], found["preview"]) < 8 * image + _BASE
    assert found["certify"] < _BASE
