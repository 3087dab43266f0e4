"""The figures that only a GPU can tell, with `mem_core` alone: no Prefect, no boto3, no data set.

    python -m benchmarks.gpu_speed --out gpu.json [--architecture RN50] [--batch 128] [--side 256]

Measures one thing after the other and writes the file after each, so that a run that was cut off goes on where it was:
the PGD step and the HotFlip pass in floors, images a second through 160 steps, the share of time the device is at work,
peak memory, and torch.compile over eager with the steps after which compiling has paid back. Wall clock, so nothing
else may run. On a machine without a GPU it measures the CPU, small, and leaves out what only a GPU has.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch.nn.functional import normalize

from mem_core import __version__
from mem_core.config import NoiseConfig, RuntimeConfig, TriggerConfig
from mem_core.models import build_model, tokenizer_for
from mem_core.models.device import autocast, resolve_device, resolve_precision
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.token_rows import without_padding
from mem_core.perturb.hotflip import WordSearch, update_triggers
from mem_core.perturb.pgd import update_noise
from mem_core.perturb.vocabulary import build_vocabulary

_PAPER_STEPS = 160  # 20 rounds of 8
_CAPTION = "two dogs run over the wet grass behind a child in red"


class Bench:
    """A frozen encoder on the device, a batch of published pixels, and the features of their captions."""

    def __init__(self, architecture: str, batch: int, side: int, runtime: RuntimeConfig) -> None:
        self.device = resolve_device(runtime)
        self.precision = resolve_precision(runtime, self.device)
        self.draw = torch.Generator().manual_seed(0)
        self.encoder = build_model(architecture, seed=0).to(self.device).freeze()
        self.fast = self.encoder.folded()  # as the rounds have it
        self.batch, self.side = batch, side
        shape = (batch, 3, side, side)
        clean = torch.randint(0, 256, shape, generator=self.draw, dtype=torch.uint8)
        self.pixels = PixelBatch(list(clean), None, self.device)
        size = self.encoder.image_size
        self.ready = torch.rand(batch, 3, size, size, generator=self.draw).to(self.device)
        with torch.no_grad():
            self.images = self.encoder.encode_image(self.ready)
        self.texts = normalize(torch.randn(self.images.shape, generator=self.draw), dim=-1).to(self.device)

    def floor(self) -> None:
        """Forward and backward-to-input, nothing else."""
        seen = self.ready.detach().requires_grad_()
        with autocast(self.device, self.precision):
            features = self.encoder.encode_image(seen)
        torch.autograd.grad(features, seen, self.texts)

    def steps(self, count: int) -> None:
        config = NoiseConfig(num_steps=count)
        update_noise(self.pixels, [self.texts], FrozenEncoder(self.fast, self.precision), config, self.draw)

    def hotflip(self) -> Callable[[], object]:
        config, tokenizer = TriggerConfig(), tokenizer_for(self.encoder)
        words = build_vocabulary(tokenizer, config).ids
        rows = without_padding(tokenizer.encode([_CAPTION] * self.batch), room=config.length).to(self.device)
        start = words[torch.randint(len(words), (self.batch, config.length), generator=self.draw)].to(self.device)
        model, search = FrozenEncoder(self.fast, self.precision), WordSearch(words.to(self.device), tokenizer.end_id)
        return lambda: update_triggers(start, rows, self.images, model, config, search)

    def seconds(self, work: Callable[[], object], repeats: int) -> float:
        """Median wall clock of a call, the device's queue run empty before and after."""
        work()
        taken = []
        for _ in range(repeats):
            self._wait()
            start = time.monotonic()
            work()
            self._wait()
            taken.append(time.monotonic() - start)
        return statistics.median(taken)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def measure(bench: Bench, repeats: int) -> dict[str, Callable[[], dict[str, float]]]:
    """Every measurement by its name."""

    def floors() -> dict[str, float]:
        floor = bench.seconds(bench.floor, repeats)
        step = bench.seconds(lambda: bench.steps(8), repeats) / 8
        return {"floor_ms": 1000 * floor, "step_ms": 1000 * step, "step_floors": step / floor}

    def hotflip() -> dict[str, float]:
        floor = bench.seconds(bench.floor, repeats)
        return {"pass_floors": bench.seconds(bench.hotflip(), repeats) / floor}

    def paper() -> dict[str, float]:
        taken = bench.seconds(lambda: bench.steps(_PAPER_STEPS), max(1, repeats // 5))
        return {"images_per_second": bench.batch / taken}

    def busy() -> dict[str, float]:
        return {} if bench.device.type != "cuda" else {"share": _busy(bench)}

    def compiled() -> dict[str, float]:
        eager = bench.seconds(lambda: bench.steps(8), repeats) / 8
        whole: Any = bench.fast.clip.visual
        start = time.monotonic()
        bench.fast.clip.visual = cast(torch.nn.Module, torch.compile(whole))
        try:
            bench.steps(8)
            start_up = time.monotonic() - start
            after = bench.seconds(lambda: bench.steps(8), repeats) / 8
        finally:
            bench.fast.clip.visual = whole
        saved = max(eager - after, 1e-9)
        return {"over_eager": after / eager, "start_up_s": start_up, "pays_back_after_steps": start_up / saved}

    def memory() -> dict[str, float]:
        if bench.device.type != "cuda":
            return {}
        torch.cuda.reset_peak_memory_stats(bench.device)
        bench.steps(2)
        return {"peak_gib": torch.cuda.max_memory_allocated(bench.device) / 2**30}

    return {"PGD": floors, "HotFlip": hotflip, "160 steps": paper, "busy": busy, "memory": memory, "compile": compiled}


def _busy(bench: Bench) -> float:
    """Share of the wall clock that the device's kernels run in the PGD loop, from torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    bench.steps(4)
    torch.cuda.synchronize(bench.device)
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        start = time.monotonic()
        bench.steps(16)
        torch.cuda.synchronize(bench.device)
        wall = time.monotonic() - start
    kernels = sum(event.self_device_time_total for event in seen.key_averages())
    return min(1.0, float(kernels) / 1e6 / wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--architecture", default="RN50" if torch.cuda.is_available() else "tiny-resnet-32")
    parser.add_argument("--batch", type=int, default=128 if torch.cuda.is_available() else 16)
    parser.add_argument("--side", type=int, default=256 if torch.cuda.is_available() else 64)
    parser.add_argument("--repeats", type=int, default=15 if torch.cuda.is_available() else 3)
    given = parser.parse_args()
    bench = Bench(given.architecture, given.batch, given.side, RuntimeConfig())
    device = torch.cuda.get_device_name() if bench.device.type == "cuda" else "cpu"
    case = {"version": __version__, "architecture": given.architecture, "batch": given.batch, "side": given.side}
    case |= {"device": device, "precision": str(bench.precision), "torch": str(torch.__version__)}
    known = json.loads(given.out.read_text()) if given.out.exists() else {}
    found = known if known.get("case") == case else {"case": case, "figures": {}}
    for name, work in measure(bench, given.repeats).items():
        if name in found["figures"]:
            continue
        found["figures"][name] = work()
        given.out.write_text(json.dumps(found, indent=1) + "\n")
        print(name, found["figures"][name], flush=True)


if __name__ == "__main__":
    main()
