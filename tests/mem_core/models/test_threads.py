"""How many threads of a CPU work does not show in what gets published."""

from pathlib import Path

import torch

from mem_core.common.storage.folder import LocalFolder
from mem_core.models.device import cpu_threads
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, contents, protect, small, tiny_corpus

CONFIG = small(rounds=1, surrogate={"steps_per_round": 2})


def test_any_number_of_threads_gives_the_same_bytes(tmp_path: Path) -> None:
    """The surrogate is trained with as many as the settings say; with it frozen the number does not matter."""
    clean = tiny_corpus(tmp_path / "clean", 12)
    found = []
    for threads in (1, 2):
        before = torch.get_num_threads()
        with cpu_threads(threads):
            protect(Protection(Places(clean, LocalFolder(tmp_path / str(threads))), CONFIG, RUNTIME, seed=3))
        assert torch.get_num_threads() == before
        found.append(contents(LocalFolder(tmp_path / str(threads))))
    assert found[0] == found[1]
