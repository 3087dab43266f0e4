"""Noise taken out by a network that was trained on pairs of protected and clean pictures."""

from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mem_core.common.errors import ConfigError
from mem_core.data.images import Pixels
from mem_core.victim.countermeasures.base import Countermeasure

if TYPE_CHECKING:
    from mem_core.victim.countermeasures.purifier import Purifier


class Autoencoder(Countermeasure):
    """Pictures passed through a purifier, as the stress test trains one on pairs that this tool makes."""

    kind: Literal["autoencoder"] = "autoencoder"
    weights: str = Field(min_length=1, description="a local file that a stress test wrote: purifier.safetensors")

    def image(self, pixels: Pixels, draw: Random) -> Pixels:
        return self._purifier.clean(pixels)

    @property
    def _purifier(self) -> "Purifier":
        path = Path(self.weights)
        if not path.is_file():
            raise ConfigError(f"expected the weights of a purifier in {path}, but there is no such file")
        return _loaded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int) -> "Purifier":
    from mem_core.victim.countermeasures.purifier import load_purifier

    return load_purifier(path.read_bytes(), str(path))
