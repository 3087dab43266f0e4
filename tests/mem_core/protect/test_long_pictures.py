"""Where the noise of a picture much longer than wide lies: docs/methods.md states it as a limit."""

from pathlib import Path
from typing import Literal

import pytest
import torch

from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.data.shard import shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, encoded, photo, protect, sample, small

HEIGHT, WIDTH = 64, 1280
SEEN = 85  # columns of the centre at 4:3, all that a training crop shows
CAPTIONS = ("a red bus", "a bus in the rain", "a green dog", "a dog in the park")


@pytest.mark.parametrize(("method", "columns"), [("mem", SEEN), ("em", SEEN), ("codebook", WIDTH)])
def test_pgd_makes_noise_where_training_crops_look_and_a_codebook_everywhere(
    tmp_path: Path, method: Literal["mem", "em", "codebook"], columns: int
) -> None:
    clean, dest = LocalFolder(tmp_path / "clean"), LocalFolder(tmp_path / "dest")
    wide = [
        sample(f"00000{i:04d}", encoded(photo(i, WIDTH, HEIGHT)), caption, extension="png")
        for i, caption in enumerate(CAPTIONS)
    ]
    write_bytes(clean, "00000.tar", shard_bytes(wide))
    protect(Protection(Places(clean, dest), small(method=method, noise={"topics": 2}), RUNTIME, seed=1))
    before, after = (load_shard(folder, "00000", 2**20) for folder in (clean, dest))
    for i in range(len(CAPTIONS)):
        noisy = (after.pixels(i).int() - before.pixels(i)).abs().sum(dim=(0, 1)).nonzero().flatten()
        first = (WIDTH - columns) // 2
        assert torch.equal(noisy, torch.arange(first, first + columns))
