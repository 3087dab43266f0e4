"""Where the time of a protection goes: what a round takes over its bare steps, and the share of each part.

    python -m benchmarks.round_split [--samples 256] [--side 432] [--repeats 3]

Rounds of the default settings with tiny-resnet, on images with as many pixels as one of 500 x 375 has: two surrogate
steps for every batch, HotFlip and six PGD steps, then encoding, auditing and writing. Bare are the steps alone, on
batches that are ready: the surrogate's, HotFlip's and PGD's. All the rest of a round is overhead: reading shards and
states, captions to tokens, batches put together, views for the surrogate, weights and states stored. Both are told:
with the views of surrogate batches as a part of the step, which they are as much as PGD's are of its own, and without.
The first round, which loads models, warms up. Processor time, of a part that of its own thread: batches are prepared
beside a step.
"""

import argparse
import tempfile
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
from mem_core.perturb import rounds, surrogate
from mem_core.protect.protection import Places, Protection

_BATCH = 128
_STEPS_A_BATCH = 2
_MOST = 1.10  # a round over its bare steps
_STEPS = {"training_step": surrogate, "update_triggers": rounds, "update_noise": rounds}
_VIEWS = {"seen_once": surrogate}
_PARTS = {
    "training_step": "surrogate steps",
    "seen_once": "views of the surrogate's batches",
    "update_triggers": "HotFlip",
    "update_noise": "PGD",
}


def run(*, samples: int = 256, side: int = 432, repeats: int = 3) -> list[Figure]:
    """A round over its steps, and the share of each part in a whole round with publishing, in per cent."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder) / "clean", samples, samples, side)
        found, publish = _rounds(Path(folder), samples, repeats)
    case = f"tiny-resnet, {samples} x {side} px"
    strict = [parts["round"] / sum(parts[name] for name in _STEPS) for parts in found]
    usual = [parts["round"] / sum(parts[name] for name in (*_STEPS, *_VIEWS)) for parts in found]
    figures = [
        _figure("a round over its steps", case, usual, "x", _MOST),
        _figure("a round over its steps, views of the surrogate's batches as overhead", case, strict, "x", None),
    ]
    mean = {name: sum(parts[name] for parts in found) / len(found) for name in found[0]}
    known = {told: mean[name] for name, told in _PARTS.items()}
    known["reading, tokens, batches, storing"] = mean["round"] - sum(known.values())
    known["encoding, audit, writing"] = publish
    whole = sum(known.values())
    shares = [_figure("share of a round", name, [100 * taken / whole], "%", None) for name, taken in known.items()]
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
        with _watched() as spent:
            whole = seconds(lambda number=number: one(number))  # type: ignore[misc]
        found.append({**spent, "round": whole})
    protection.fit.finish(losses)
    publish = seconds(lambda: [protection.publish(shard) for shard in protection.shards])
    return found[1:], publish


@contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """Processor seconds of every part inside the block."""
    spent = dict.fromkeys((*_STEPS, *_VIEWS), 0.0)
    places = {**_STEPS, **_VIEWS}
    original = {name: getattr(place, name) for name, place in places.items()}
    for name, place in places.items():
        setattr(place, name, _timed(original[name], name, spent))
    try:
        yield spent
    finally:
        for name, place in places.items():
            setattr(place, name, original[name])


def _timed(work: Callable[..., Any], name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """`work` that adds its time to `spent`."""

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.thread_time()
        result = work(*arguments, **named)
        spent[name] += time.thread_time() - start
        return result

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
