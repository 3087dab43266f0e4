"""The only place where seeds are made.

Every random choice is drawn from a generator keyed by what the choice is for: run seed, purpose, round,
shard, sample. The same bytes come out whatever the number of workers, their order or the interruptions.
"""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, *keys: str | int) -> int:
    """A 63-bit seed from the run seed and the names of what is drawn (SHA-256 of their JSON list)."""
    digest = hashlib.sha256(json.dumps([seed, *keys]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *keys: str | int) -> "torch.Generator":
    """A CPU generator for one purpose; draws are moved to the device, so that devices agree."""
    import torch  # here, so that sharding, drawn corpora and settings can do without

    return torch.Generator().manual_seed(derived_seed(seed, *keys))
