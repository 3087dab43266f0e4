"""A corpus protected with twins against the same without: processor time of whole runs, fit included.

    python -m benchmarks.twins [--samples 256] [--side 64] [--pictures 96] [--picture-side 500] [--repeats 3]

Codebook: larger pictures, where encoding is nearly all. MEM: the preset `cpu` at 64 px, with as many surrogate steps
for a sample as it takes on Flickr8k's 6,000; so fitting and making noise have the shares that they have in a run there.
Runs alternate in one process, and a ratio is that of neighbouring runs.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure, Work, alternate, print_figures, quartiles, ratios
from benchmarks.memory import make_corpus
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protection import Places, Protection, TwinsWanted, protect_all

_MOST = {"codebook": 2.0, "mem": 1.3}
_STEPS, _CORPUS = 94, 6000  # of the preset `cpu`, on Flickr8k


def run(
    *, samples: int = 256, side: int = 64, pictures: int = 96, picture_side: int = 500, repeats: int = 3
) -> list[Figure]:
    """Both methods."""
    steps = max(1, round(_STEPS * samples / _CORPUS))
    architecture = "tiny-resnet-32" if side <= 32 else "tiny-resnet"
    mem = {"surrogate": {"architecture": architecture, "steps_per_round": steps, "batch_size": min(128, samples)}}
    with tempfile.TemporaryDirectory() as folder:
        return [
            _of_one(Path(folder) / "codebook", "codebook", {}, pictures, picture_side, repeats),
            _of_one(Path(folder) / "mem", "mem", mem, samples, side, repeats),
        ]


def _of_one(place: Path, method: str, settings: dict[str, Any], count: int, side: int, repeats: int) -> Figure:
    make_corpus(place / "clean", count, count, side)
    clean, config = LocalFolder(place / "clean" / "train"), ProtectConfig.model_validate({"method": method, **settings})
    wanted = TwinsWanted(share=1, key=KeyPlace(folder=str(place / "keys")))

    def protect(twins: TwinsWanted | None) -> None:
        with tempfile.TemporaryDirectory(dir=place) as out:
            runtime = RuntimeConfig(device="cpu")
            protect_all(Protection(Places(clean, LocalFolder(out)), config, runtime, seed=0, twins=twins))

    works: dict[str, Work] = {"plain": lambda: protect(None), "twins": lambda: protect(wanted)}
    times = alternate(works, repeats)
    low, middle, high = quartiles(ratios(times["twins"], times["plain"]))
    name = f"{method}, {count} pictures of {side} px"
    bound = _MOST[method]
    return Figure(
        group="twins", name=name, value=middle, unit="x", low=low, high=high, bound=bound, floor="a run without twins"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--picture-side", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    print_figures(run(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
