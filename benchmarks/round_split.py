"""Where the time of a protection goes: surrogate, HotFlip, PGD, publishing, and the rest.

    python -m benchmarks.round_split [--samples 256]

One round of the default settings on procedural images of 128 px with tiny-resnet: two surrogate steps for every batch
(as in the flickr8k preset), HotFlip and six PGD steps, then encoding, auditing and writing.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Figure, print_figures, seconds
from benchmarks.memory import make_corpus
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, RuntimeConfig, SurrogateConfig
from mem_core.perturb import rounds
from mem_core.protect.protection import Places, Protection

_SIDE, _BATCH = 128, 128
_STEPS_A_BATCH = 2


def run(*, samples: int = 256) -> list[Figure]:
    """Share of each part in the whole, in per cent, from one run."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder) / "clean", samples, samples, _SIDE)
        spent = _protect(Path(folder), samples)
    whole = sum(spent.values())
    return [_share(part, taken, whole) for part, taken in spent.items()]


def _share(part: str, taken: float, whole: float) -> Figure:
    share = 100 * taken / whole
    return Figure(group="share of a round", name=part, value=share, unit="%", low=share, high=share)


def _protect(folder: Path, samples: int) -> dict[str, float]:
    """Processor seconds of every part."""
    surrogate = SurrogateConfig(steps_per_round=_STEPS_A_BATCH * -(-samples // _BATCH), batch_size=_BATCH)
    config = ProtectConfig(rounds=1, batch_size=_BATCH, surrogate=surrogate)
    clean, dest = LocalFolder(str(folder / "clean" / "train")), LocalFolder(str(folder / "protected"))
    protection = Protection(Places(clean, dest), config, RuntimeConfig(device="cpu"), seed=0)
    protection.begin()
    inner = {"update_triggers": 0.0, "update_noise": 0.0}
    original = {name: getattr(rounds, name) for name in inner}
    try:
        for name, work in original.items():
            setattr(rounds, name, _timed(work, name, inner))
        fit = seconds(lambda: protection.fit.train_surrogate(0))
        losses: list[float] = []
        advance = seconds(lambda: losses.extend(protection.fit.update_shard(shard, 0) for shard in protection.shards))
    finally:
        for name, work in original.items():
            setattr(rounds, name, work)
    protection.fit.finish(losses)
    publish = seconds(lambda: [protection.publish(shard) for shard in protection.shards])
    return {
        "surrogate steps": fit,
        "HotFlip": inner["update_triggers"],
        "PGD": inner["update_noise"],
        "reading, features, state": advance - sum(inner.values()),
        "encoding, audit, writing": publish,
    }


def _timed(work: Callable[..., Any], name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """`work` that adds its time to `spent`."""

    def timed(*arguments: Any, **named: Any) -> Any:
        found: list[Any] = []
        spent[name] += seconds(lambda: found.append(work(*arguments, **named)))
        return found[0]

    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    print_figures(run(samples=parser.parse_args().samples))


if __name__ == "__main__":
    main()
