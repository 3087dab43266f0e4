"""Rounds of MEM against a literal port of how the original code does it: same model, data and numbers of steps.

    python -m benchmarks.literal_port [--samples 128] [--batch 64] [--architecture tiny-resnet] [--repeats 5]

`original.py` is the port, and lists what is as in the original and what is not. Ours is what protects corpora
(`train_surrogate`, then `update_shard`), twice: with the paper's settings (the same 8 steps, 16 candidates, batch
scoring, own captions and one gradient for HotFlip, fresh captions at every step), and with the defaults of the
publishable profile. Both start from one surrogate that has seen the corpus. Rounds are measured with trigger words
(HotFlip, then PGD) and without (PGD alone), as the original has 5 of the first and 15 of the second.

Equal are: surrogate, its steps, images, captions, first triggers, budget. Not equal are the order of samples and the
caption shuffles (other random numbers), and the views of the default settings. So equal results are checked as the
noise loss that either reaches on held shuffles, and as the pixels after one step from one start on the same captions.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Figure, alternate, print_figures, quartiles, ratios
from benchmarks.memory import make_corpus, peak_bytes
from benchmarks.original import LiteralPort, written
from mem_core.common.progress import silent
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.data.shard_cache import LoadedShard, load_shard
from mem_core.models import OpenClipEncoder, build_model, tokenizer_for
from mem_core.models.device import resolve_precision
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import Anchors
from mem_core.models.training import make_optimizer
from mem_core.perturb.context import FitContext
from mem_core.perturb.pgd import update_noise
from mem_core.perturb.rounds import update_shard
from mem_core.perturb.state import ShardState, first_state
from mem_core.perturb.surrogate import Surrogate, SurrogateTraining, train_surrogate
from mem_core.perturb.vocabulary import build_vocabulary

_CPU = torch.device("cpu")
_SURROGATE_STEPS_A_BATCH = 0.85  # of the original: 200 a round for 30,000 pairs in batches of 128
_LEAST_FASTER, _LEAST_MEMORY, _LEAST_SIGNS = 5.0, 4.0, 0.99
_WARMED = 40  # steps that the surrogate has learnt before
_PAPER, _DEFAULT = "the paper's settings", "default settings"
_PARTS = {"with words": True, "without words": False}  # of rounds: whether HotFlip runs in them
_ROOT = Path(__file__).parents[1]


def copied(model: OpenClipEncoder) -> OpenClipEncoder:
    """A model with the same weights, to be trained apart."""
    fresh = build_model(model.architecture, seed=0)
    fresh.clip.load_state_dict(model.clip.state_dict())
    return fresh


def literal_model(model: OpenClipEncoder) -> OpenClipEncoder:
    """The same weights as the original holds them: in the default memory layout."""
    plain = copied(model)
    plain.clip.to(memory_format=torch.contiguous_format)
    return plain


@dataclass
class Bench:
    """A corpus of pairs in one shard, at the model's own size, and a surrogate that has seen it."""

    shard: LoadedShard
    model: OpenClipEncoder
    batch: int

    @classmethod
    def make(cls, folder: Path, architecture: str, samples: int, batch: int) -> "Bench":
        model = build_model(architecture, seed=0)
        make_corpus(folder / "clean", samples, samples, model.image_size)
        shard = load_shard(LocalFolder(folder / "clean" / "train"), "00000", 2**24)
        pairs = [replace(sample, captions=sample.captions[:1]) for sample in shard.samples]
        bench = cls(replace(shard, samples=pairs), model, batch)
        bench.port(model).train(_WARMED, batch, torch.Generator().manual_seed(0))
        model.freeze()
        return bench

    @property
    def images(self) -> Tensor:
        return torch.stack([self.shard.pixels(i) for i in range(len(self.shard.samples))]).float() / 255

    def context(self, **values: Any) -> FitContext:
        named = {"architecture": self.model.architecture}
        config = ProtectConfig.model_validate({"batch_size": self.batch, "surrogate": named, **values})
        tokenizer = tokenizer_for(self.model)
        words = build_vocabulary(tokenizer, config.trigger)
        return FitContext(config, tokenizer, words, 0, _CPU, resolve_precision(RuntimeConfig(), _CPU))

    def port(self, model: OpenClipEncoder) -> LiteralPort:
        context = self.context(profile="paper")
        rows = context.tokenizer.encode([sample.captions[0] for sample in self.shard.samples])
        triggers = first_state(self.shard, context).trigger_ids
        return LiteralPort(model, self.images, rows, triggers, context.tokenizer.end_id)

    def original(self, *, words: bool) -> LiteralPort:
        """A pass of the original over all pairs."""
        port = self.port(literal_model(self.model))
        port.update(self.batch, torch.Generator().manual_seed(1), words=words)
        return port

    def ours(self, context: FitContext, *, words: bool = True) -> ShardState:
        """The same through the code that protects corpora."""
        none = torch.zeros(0, 1)
        surrogate, number = Surrogate(self.model, Anchors(none, none)), 0 if words else context.config.trigger.rounds
        return update_shard(self.shard, first_state(self.shard, context), surrogate, context, number, silent)

    def train(self, model: OpenClipEncoder, context: FitContext) -> None:
        """The surrogate's part of a round through the code that protects corpora."""
        settings, state = context.config.surrogate, first_state(self.shard, context)
        model.requires_grad_(True)
        optimizer = make_optimizer(model, settings.learning_rate, settings.weight_decay, settings.optimizer)
        training = SurrogateTraining(model=model, optimizer=optimizer)
        train_surrogate(training, [self.shard.name], lambda _: (self.shard, state), context, 0, silent)

    def held_loss(self, noise: Sequence[Tensor] | Tensor, triggers: Tensor) -> float:
        """The mean noise loss on shuffles that neither side has seen. noise: [N, 3, S, S] in pixel units."""
        port = self.port(self.model)
        draw, losses = torch.Generator().manual_seed(99), []
        for places in torch.arange(len(port.rows)).split(self.batch):
            seen = (port.images[places] + torch.stack([noise[i] for i in places])).clamp(0, 1)
            for _ in range(4):
                captions = port.rows[places][torch.randperm(len(places), generator=draw)]
                with torch.no_grad():
                    losses.append(port.loss(seen, written(captions, triggers[places])))
        return float(torch.stack(losses).mean())

    def sign_agreement(self) -> float:
        """Share of equal pixels after one step from no noise, on the same captions, both in float32."""
        port, context = self.port(literal_model(self.model)), self.context(profile="paper")
        port.model.freeze()
        places = torch.arange(self.batch)
        tokens, images = written(port.rows[places.flip(0)], port.triggers[places]), port.images[places]
        theirs = (images + port.pgd_step(images, port.noise[places], tokens)).clamp(0, 1)
        clean = [self.shard.pixels(i) for i in places.tolist()]
        batch = PixelBatch(clean, None, _CPU)
        config = context.config.noise.model_copy(update={"num_steps": 1})
        texts = [self.model.encode_text(tokens)]
        draw = torch.Generator()
        update_noise(batch, texts, FrozenEncoder(self.model.folded()), config, draw)
        ours = torch.stack([pixels.int() + noise for pixels, noise in zip(clean, batch.noise(), strict=True)])
        return float((ours == (theirs * 255).round()).float().mean())


def run(*, architecture: str = "tiny-resnet", samples: int = 128, batch: int = 64, repeats: int = 5) -> list[Figure]:
    """Times, results and noise memory of the port over ours."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.make(Path(folder), architecture, samples, batch)
        figures = _speed(bench, repeats)
    return [*figures, *_memory()]


def _speed(bench: Bench, repeats: int) -> list[Figure]:
    steps = max(1, round(_SURROGATE_STEPS_A_BATCH * len(bench.shard.samples) / bench.batch))
    own_steps = {"architecture": bench.model.architecture, "steps_per_round": steps, "batch_size": bench.batch}
    kinds = {
        _PAPER: bench.context(profile="paper", surrogate=own_steps),
        _DEFAULT: bench.context(surrogate=own_steps),
    }
    found: dict[str, Any] = {}
    times = alternate(_works(bench, kinds, steps, found), repeats, warm_up=0)
    case = f"{bench.model.architecture}, {len(bench.shard.samples)} pairs, batch {bench.batch}"
    figures = [_faster(times, name, part, case) for name in kinds for part in _PARTS]
    start = bench.held_loss(torch.zeros_like(bench.images), bench.port(bench.model).triggers)
    port = found["port, with words"]
    reached = bench.held_loss(port.noise, port.triggers)
    for name in kinds:
        state = found[f"{name}, with words"]
        loss = bench.held_loss([noise.float() / 255 for noise in state.noise], state.trigger_ids)
        floor = f"held noise loss: start {start:.3f}, port {reached:.3f}, ours {loss:.3f}; {case}"
        fallen = (start - loss) / (start - reached)
        figures.append(_figure("fall of the noise loss, ours over the port's", name, (fallen,) * 3, "x", None, floor))
    signs = bench.sign_agreement()
    figures.append(_figure("equal values after one step", "float32", (signs,) * 3, "share", _LEAST_SIGNS, case))
    return figures


def _works(
    bench: Bench, kinds: dict[str, FitContext], steps: int, found: dict[str, Any]
) -> dict[str, Callable[[], None]]:
    """The parts of a round, the port's and ours; what a part comes to is left in `found` under its name."""
    port, draw = bench.port(literal_model(bench.model)), torch.Generator().manual_seed(2)

    def keeping(name: str, work: Callable[..., object], *given: Any, **named: Any) -> Callable[[], None]:
        def kept() -> None:
            found[name] = work(*given, **named)

        return kept

    works = {"port, surrogate": keeping("", port.train, steps, bench.batch, draw)}
    for part, words in _PARTS.items():
        works[f"port, {part}"] = keeping(f"port, {part}", bench.original, words=words)
        for name, context in kinds.items():
            works[f"{name}, {part}"] = keeping(f"{name}, {part}", bench.ours, context, words=words)
    for name, context in kinds.items():
        works[f"{name}, surrogate"] = keeping("", bench.train, copied(bench.model), context)
    return works


def _faster(times: dict[str, list[float]], name: str, part: str, case: str) -> Figure:
    """A whole round, its surrogate's part included: the port's time over ours."""
    theirs, own = (
        [sum(pair) for pair in zip(times[f"{who}, {part}"], times[f"{who}, surrogate"], strict=True)]
        for who in ("port", name)
    )
    bound = _LEAST_FASTER if (name, part) == (_DEFAULT, "with words") else None
    spent = [f"{who} {statistics.median(times[who]):.2f} s" for who in times if who.startswith(("port", name))]
    floor = f"{', '.join(spent)}; {case}"
    spread = quartiles(ratios(theirs, own))
    return _figure("round, literal port over ours", f"{name}, {part}", spread, "x", bound, floor)


def _figure(
    group: str, name: str, values: tuple[float, float, float], unit: str, bound: float | None, floor: str
) -> Figure:
    low, middle, high = values
    return Figure(
        group=group, name=name, value=middle, unit=unit, low=low, high=high, bound=bound, better="higher", floor=floor
    )


def _memory(sizes: tuple[int, int] = (1000, 4000), side: int = 64) -> list[Figure]:
    """Growth of a process that holds the noise of so many pairs, and what a shard of ours holds."""
    grown = {}
    for kind in ("port", "ours"):
        peaks = []
        for samples in sizes:
            command = [sys.executable, "-m", "benchmarks.literal_port", "--child", kind, str(samples), str(side)]
            done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
            peaks.append(int(done.stdout))
        grown[kind] = (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])
    ratio = grown["port"] / grown["ours"]
    floor = f"{grown['port']:,.0f} against {grown['ours']:,.0f} bytes a pair of {side} px; ours ends with the shard"
    return [_figure("noise memory a pair", "literal port over ours", (ratio,) * 3, "x", _LEAST_MEMORY * 0.9, floor)]


def hold(kind: str, samples: int, side: int) -> int:
    """Peak memory of this process with the noise of so many pairs written once."""
    if kind == "port":
        noise = torch.zeros(samples, 3, side, side).add_(1)
        assert noise.dtype == torch.float32
    else:
        state = ShardState([torch.ones(3, side, side, dtype=torch.int8) for _ in range(samples)], torch.zeros(0, 3))
        assert len(state.noise) == samples
    return peak_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--architecture", default="tiny-resnet")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, samples, side = given.child
        print(hold(kind, int(samples), int(side)))
        return
    named = {"architecture": given.architecture, "samples": given.samples, "batch": given.batch}
    print_figures(run(**named, repeats=given.repeats))


if __name__ == "__main__":
    main()
