"""One round of MEM against a literal port of how the original code does it: same model, data and numbers of steps.

    python -m benchmarks.literal_port [--samples 128] [--batch 64] [--architecture tiny-resnet]

The port follows what is known of the original (docs/design.md, "Departures from the paper"): one float32 noise tensor
for all pairs of the corpus; a PGD step runs both towers, with the text encoded anew and gradients through parameters
that nobody froze; HotFlip tries its candidates one after the other, each for the whole batch, running both towers
again; full-length token rows, float32, default memory layout.

Ours is `update_shard` of `mem_core/perturb/rounds.py`, twice: with the paper's settings (the same 8 steps, 16
candidates, batch scoring, fresh captions at every step), and with the defaults of the publishable profile. Both start
from one surrogate that has seen the corpus. Equal are: surrogate, images, captions, first triggers, steps, budget,
candidates. Not equal are the order of samples and the caption shuffles (other random numbers). So equal results are
checked as the noise loss that either reaches on held shuffles, and as the values after one step from one start on the
same captions.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Figure, alternate, print_figures, quartiles, ratios
from benchmarks.memory import make_corpus, peak_bytes
from mem_core.common.progress import silent
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.data.shard_cache import LoadedShard, load_shard
from mem_core.models import OpenClipEncoder, build_model, tokenizer_for
from mem_core.models.device import resolve_precision
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import Anchors, contrastive_loss
from mem_core.models.token_rows import with_trigger
from mem_core.models.training import make_optimizer, training_step
from mem_core.perturb.context import FitContext
from mem_core.perturb.pgd import update_noise
from mem_core.perturb.rounds import update_shard
from mem_core.perturb.state import ShardState, first_state
from mem_core.perturb.surrogate import Surrogate
from mem_core.perturb.vocabulary import build_vocabulary

_CPU = torch.device("cpu")
_EPSILON, _STEP, _STEPS, _CANDIDATES = 8 / 255, 1 / 255, 8, 16
_SURROGATE_STEPS_A_BATCH = 0.85  # of the original: 200 a round for 30,000 pairs in batches of 128
_LEAST_FASTER, _LEAST_MEMORY, _LEAST_SIGNS = 5.0, 4.0, 0.99
_WARMED = 12  # steps that the surrogate has learnt before
_ROOT = Path(__file__).parents[1]


class LiteralPort:
    """The original's inner loop. images: float32 [N, 3, S, S] in 0..1; rows: token rows int64 [N, T]."""

    def __init__(self, model: OpenClipEncoder, images: Tensor, rows: Tensor, triggers: Tensor, end_id: int) -> None:
        self.model, self.images, self.rows, self.triggers, self.end_id = model, images, rows, triggers, end_id
        self.noise = torch.zeros_like(images)

    def loss(self, images: Tensor, tokens: Tensor) -> Tensor:
        features, texts = self.model.encode_image(images), self.model.encode_text(tokens)
        return contrastive_loss(features, texts, self.model.logit_scale)

    def pgd_step(self, places: Tensor, captions: Tensor) -> None:
        """Both towers forward, backward to everything, one signed step."""
        moving = self.noise[places].requires_grad_()
        self.model.zero_grad()
        self.loss(self.images[places] + moving, captions).backward()
        assert moving.grad is not None
        stepped = (moving.detach() - _STEP * moving.grad.sign()).clamp(-_EPSILON, _EPSILON)
        self.noise[places] = (self.images[places] + stepped).clamp(0, 1) - self.images[places]

    def pgd(self, places: Tensor, draw: torch.Generator) -> None:
        for _ in range(_STEPS):
            shuffled = self.rows[places][torch.randperm(len(places), generator=draw)]
            self.pgd_step(places, with_trigger(shuffled, self.triggers[places], self.end_id))

    def hotflip(self, places: Tensor, draw: torch.Generator, vocabulary: Tensor) -> None:
        """Front to back; candidate k is taken for the whole batch if the batch loss falls."""
        captions = self.rows[places][torch.randperm(len(places), generator=draw)]
        images = self.images[places] + self.noise[places]
        for position in range(self.triggers.shape[1]):
            self.model.zero_grad()
            texts, embeddings = self.model.encode_text_tracked(self._rows(captions, places))
            best = contrastive_loss(self.model.encode_image(images), texts, self.model.logit_scale)
            best.backward()
            assert embeddings.grad is not None
            change = embeddings.grad[:, 1 + position] @ self.model.token_embeddings[vocabulary].T
            proposed = vocabulary[change.topk(_CANDIDATES, largest=False).indices]
            for k in range(_CANDIDATES):
                kept = self.triggers[places].clone()
                tried = kept.clone()
                tried[:, position] = proposed[:, k]
                self.triggers[places] = tried
                with torch.no_grad():
                    loss = self.loss(images, self._rows(captions, places))
                if loss < best:
                    best = loss
                else:
                    self.triggers[places] = kept

    def train(self, steps: int, size: int, draw: torch.Generator) -> None:
        """The surrogate on true captions."""
        optimizer = make_optimizer(self.model, 1e-4, 0.2)
        for _ in range(steps):
            places = torch.randperm(len(self.rows), generator=draw)[:size]
            images = self.images[places] + self.noise[places]
            training_step(self.model, optimizer, images, self._rows(self.rows[places], places), torch.float32)

    def _rows(self, captions: Tensor, places: Tensor) -> Tensor:
        return with_trigger(captions, self.triggers[places], self.end_id)


def copied(model: OpenClipEncoder) -> OpenClipEncoder:
    """A model with the same weights, to be trained apart."""
    fresh = build_model(model.architecture, seed=0)
    fresh.clip.load_state_dict(model.clip.state_dict())
    return fresh


def literal_model(model: OpenClipEncoder) -> OpenClipEncoder:
    """The same weights as the original holds them: every parameter wants its gradient, default memory layout."""
    plain = copied(model).eval().requires_grad_(True)
    plain.clip.to(memory_format=torch.contiguous_format)
    return plain


@dataclass
class Bench:
    """A corpus of one shard, at the model's own size, and a surrogate that has seen it."""

    shard: LoadedShard
    model: OpenClipEncoder
    batch: int

    @classmethod
    def make(cls, folder: Path, architecture: str, samples: int, batch: int) -> "Bench":
        model = build_model(architecture, seed=0)
        make_corpus(folder / "clean", samples, samples, model.image_size)
        bench = cls(load_shard(LocalFolder(folder / "clean" / "train"), "00000", 2**24), model, batch)
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

    def original(self) -> LiteralPort:
        """HotFlip, then PGD, over all batches."""
        port, draw = self.port(literal_model(self.model)), torch.Generator().manual_seed(1)
        vocabulary = self.context(profile="paper").vocabulary.ids
        for places in torch.arange(len(self.shard.samples)).split(self.batch):
            port.hotflip(places, draw, vocabulary)
            port.pgd(places, draw)
        return port

    def ours(self, context: FitContext) -> ShardState:
        """The same through the code that protects corpora."""
        none = torch.zeros(0, 1)
        surrogate = Surrogate(self.model, Anchors(none, none))
        return update_shard(self.shard, first_state(self.shard, context), surrogate, context, 0, silent)

    def held_loss(self, noise: Sequence[Tensor] | Tensor, triggers: Tensor) -> float:
        """The mean noise loss on shuffles that neither side has seen. noise: [N, 3, S, S] in pixel units."""
        port = self.port(self.model)
        draw, losses = torch.Generator().manual_seed(99), []
        for places in torch.arange(len(port.rows)).split(self.batch):
            seen = port.images[places] + torch.stack([noise[i] for i in places])
            for _ in range(4):
                captions = port.rows[places][torch.randperm(len(places), generator=draw)]
                with torch.no_grad():
                    losses.append(port.loss(seen, with_trigger(captions, triggers[places], port.end_id)))
        return float(torch.stack(losses).mean())

    def sign_agreement(self) -> float:
        """Share of equal values after one step from no noise, on the same captions, both in float32."""
        port, context = self.port(literal_model(self.model)), self.context(profile="paper")
        places = torch.arange(self.batch)
        tokens = with_trigger(port.rows[places.flip(0)], port.triggers[places], port.end_id)
        port.pgd_step(places, tokens)
        clean = [self.shard.pixels(i) for i in places.tolist()]
        batch = PixelBatch(clean, None, _CPU)
        config = context.config.noise.model_copy(update={"num_steps": 1})
        texts = [self.model.encode_text(tokens)]
        draw = torch.Generator()
        update_noise(batch, texts, FrozenEncoder(self.model), config, draw)
        return float((torch.stack(batch.noise()) == (port.noise[places] * 255).round()).float().mean())


def run(*, architecture: str = "tiny-resnet", samples: int = 128, batch: int = 64, repeats: int = 3) -> list[Figure]:
    """Times, results and noise memory of the port over ours."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.make(Path(folder), architecture, samples, batch)
        figures = _speed(bench, repeats)
    return [*figures, *_memory()]


def _speed(bench: Bench, repeats: int) -> list[Figure]:
    kinds = {"the paper's settings": bench.context(profile="paper"), "default settings": bench.context()}
    found: dict[str, Any] = {}
    steps = max(1, round(_SURROGATE_STEPS_A_BATCH * len(bench.shard.samples) / bench.batch))
    draw = torch.Generator().manual_seed(2)

    def keeping(name: str, work: Callable[[], object]) -> Callable[[], None]:
        def kept() -> None:
            found[name] = work()

        return kept

    trained = {"port": bench.port(literal_model(bench.model)), "ours": bench.port(copied(bench.model))}
    works = {
        "port": keeping("port", bench.original),
        "port surrogate": lambda: trained["port"].train(steps, bench.batch, draw),
        "surrogate": lambda: trained["ours"].train(steps, bench.batch, draw),
        **{name: keeping(name, lambda context=context: bench.ours(context)) for name, context in kinds.items()},  # type: ignore[misc]
    }
    times = alternate(works, repeats, warm_up=0)
    whole = [sum(pair) for pair in zip(times["port"], times["port surrogate"], strict=True)]
    case = f"{bench.model.architecture}, {len(bench.shard.samples)} pairs, batch {bench.batch}"
    reached = bench.held_loss(found["port"].noise, found["port"].triggers)
    start = bench.held_loss(torch.zeros_like(bench.images), bench.port(bench.model).triggers)
    figures = []
    for name in kinds:
        own = [sum(pair) for pair in zip(times[name], times["surrogate"], strict=True)]
        low, middle, high = quartiles(ratios(whole, own))
        state = found[name]
        loss = bench.held_loss([noise.float() / 255 for noise in state.noise], state.trigger_ids)
        floor = f"held noise loss: start {start:.3f}, port {reached:.3f}, ours {loss:.3f}; {case}"
        bound = _LEAST_FASTER if name == "default settings" else None
        figures.append(_figure("round, literal port over ours", name, (low, middle, high), "x", bound, floor))
        fallen = (start - loss) / (start - reached)
        figures.append(_figure("fall of the noise loss, ours over the port's", name, (fallen,) * 3, "x", None, floor))
    signs = bench.sign_agreement()
    figures.append(_figure("equal values after one step", "float32", (signs,) * 3, "share", _LEAST_SIGNS, case))
    return figures


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
    parser.add_argument("--repeats", type=int, default=3)
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
