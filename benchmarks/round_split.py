"""Where the time of a protection goes: what a round takes over its bare steps, and the share of each part.

    python -m benchmarks.round_split [--samples 256] [--side 432] [--repeats 3]

Rounds of the default settings with tiny-resnet, on images with as many pixels as one of 500 x 375 has: two surrogate
steps for every batch, HotFlip and six PGD steps, then encoding, auditing and writing. Bare are the steps alone, on
batches that are ready: the surrogate's, HotFlip's with the image features that it compares with, and PGD's with the
caption features that it descends to. All the rest of a round is overhead: reading shards and states, captions to
tokens, batches put together, weights and states stored; views of the surrogate's batches are a part of its step, as
PGD's are of its own. Two figures: processor time of all threads, and the time of the thread that takes the steps, which
is how long a round waits where a second core is free. The first round, which loads models, warms up.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Figure, print_figures, quartiles, seconds
from benchmarks.memory import make_corpus
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, RuntimeConfig, SurrogateConfig
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.perturb import rounds, surrogate
from mem_core.protect.protection import Places, Protection

_BATCH = 128
_STEPS_A_BATCH = 2
_MOST = 1.10  # a round over its bare steps
_PARTS = {
    "training_step": ("surrogate steps", surrogate),
    "seen_once": ("views of the surrogate's batches", surrogate),
    "update_triggers": ("HotFlip", rounds),
    "encode_images": ("image features for HotFlip", FrozenEncoder),
    "update_noise": ("PGD", rounds),
    "encode_texts": ("caption features for PGD", FrozenEncoder),
}
BESIDE = {"seen_once"}  # by the thread that prepares batches


def run(*, samples: int = 256, side: int = 432, repeats: int = 3) -> list[Figure]:
    """A round over its steps, and the share of each part in a whole round with publishing, in per cent."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder) / "clean", samples, samples, side)
        found, publish = _rounds(Path(folder), samples, repeats)
    case = f"tiny-resnet, {samples} x {side} px"
    whole = [parts["round"] / sum(parts[name] for name in _PARTS) for parts in found]
    waited = [parts["waited"] / sum(parts[name] for name in _PARTS if name not in BESIDE) for parts in found]
    figures = [
        _figure("a round over its steps, waiting time", case, waited, "x", _MOST),
        _figure("a round over its steps, all threads", case, whole, "x", None),
    ]
    mean = {name: sum(parts[name] for parts in found) / len(found) for name in found[0]}
    known = {told: mean[name] for name, (told, _) in _PARTS.items()}
    known["reading, tokens, batches, storing"] = mean["round"] - sum(known.values())
    known["encoding, audit, writing"] = publish
    total = sum(known.values())
    shares = [_figure("share of a round", name, [100 * taken / total], "%", None) for name, taken in known.items()]
    return [*figures, *shares]


def _figure(group: str, name: str, values: list[float], unit: str, bound: float | None) -> Figure:
    low, middle, high = quartiles(values)
    return Figure(group=group, name=name, value=middle, unit=unit, low=low, high=high, bound=bound)


def _rounds(folder: Path, samples: int, repeats: int) -> tuple[list[dict[str, float]], float]:
    """Processor seconds of every round but the first, and of its parts; and of publishing."""
    steps = SurrogateConfig(steps_per_round=_STEPS_A_BATCH * -(-samples // _BATCH), batch_size=_BATCH)
    config = ProtectConfig(
        rounds=repeats + 1,
        loss_threshold=0.0,
        batch_size=_BATCH,
        surrogate=steps,
        trigger=ProtectConfig().trigger.model_copy(update={"rounds": repeats + 1}),
    )
    clean, dest = LocalFolder(str(folder / "clean" / "train")), LocalFolder(str(folder / "protected"))
    protection = Protection(Places(clean, dest), config, RuntimeConfig(device="cpu"), seed=0)
    protection.begin()
    found, losses = [], list[float]()

    def one(number: int) -> None:
        protection.fit.train_surrogate(number)
        losses.extend(protection.fit.update_shard(shard, number) for shard in protection.shards)

    for number in range(repeats + 1):
        with watched() as spent:
            before = time.thread_time()
            whole = seconds(lambda number=number: one(number))  # type: ignore[misc]
            waited = time.thread_time() - before
        found.append({**spent, "round": whole, "waited": waited})
    protection.fit.finish(losses)
    publish = seconds(lambda: [protection.publish(shard) for shard in protection.shards])
    return found[1:], publish


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Processor seconds of every part inside the block; what a part calls is its own."""
    spent, inside = dict.fromkeys(_PARTS, 0.0), threading.local()
    original = {name: getattr(place, name) for name, (_, place) in _PARTS.items()}
    for name, (_, place) in _PARTS.items():
        setattr(place, name, _timed(original[name], name, spent, inside))
    try:
        yield spent
    finally:
        for name, (_, place) in _PARTS.items():
            setattr(place, name, original[name])


def _timed(work: Callable[..., Any], name: str, spent: dict[str, float], inside: threading.local) -> Callable[..., Any]:
    """`work` that adds its time to `spent`, unless another part has called it."""

    def timed(*arguments: Any, **named: Any) -> Any:
        if getattr(inside, "part", ""):
            return work(*arguments, **named)
        inside.part, start = name, time.thread_time()
        try:
            return work(*arguments, **named)
        finally:
            spent[name] += time.thread_time() - start
            inside.part = ""

    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--side", type=int, default=432)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print_figures(run(samples=given.samples, side=given.side, repeats=given.repeats))


if __name__ == "__main__":
    main()
