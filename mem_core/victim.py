"""The model that an unauthorised trainer trains on the published files."""

import math
import time
from collections.abc import Iterator, Sequence

import torch
from pydantic import ValidationError
from torch import Tensor

from mem_core import __version__
from mem_core.config import (
    EvaluateConfig,
    Frozen,
    NoiseConfig,
    RuntimeConfig,
    VictimConfig,
    fingerprint,
    first_mistake,
)
from mem_core.data.folder import Folder, read_bytes, write_bytes
from mem_core.data.loaded import CaptionTokens, LoadedShard, ShardCache, batches
from mem_core.data.manifest import list_shards
from mem_core.data.prefetch import prefetch
from mem_core.device import resolve_device, resolve_precision
from mem_core.errors import MismatchError, SourceError
from mem_core.evaluation import query_model
from mem_core.models import (
    OpenClipEncoder,
    Tokenizer,
    load_model,
    save_model,
    start_model,
    tokenizer_for,
    weights_identity,
)
from mem_core.perturb.pixels import PixelBatch
from mem_core.perturb.prompts import with_trigger
from mem_core.progress import Progress, silent
from mem_core.rng import derived_seed, generator
from mem_core.training import load_checkpoint, make_optimizer, require_finite, save_checkpoint, training_step

_WEIGHTS, _RECORD, _CHECKPOINT = "victim.safetensors", "victim.json", "checkpoint.pt"
_POOL_SHARDS = 8  # shards that batches are mixed from; bounds memory, and part of what makes equal bytes


class Epoch(Frozen):
    """One line of a training history; median ranks are of bare queries, None where not measured."""

    epoch: int
    loss: float
    seconds: float
    image_to_text_median_rank: float | None = None
    text_to_image_median_rank: float | None = None


class VictimRecord(Frozen):
    """What a finished victim is and how it was trained."""

    format: int = 1
    architecture: str
    config: VictimConfig
    seed: int
    corpus: str
    samples: int
    steps: int
    history: tuple[Epoch, ...]
    fingerprint: str
    code_version: str = __version__


def train_victim(
    corpus: Folder,
    out: Folder,
    config: VictimConfig,
    runtime: RuntimeConfig,
    *,
    seed: int,
    test: Folder | None = None,
    evaluate: EvaluateConfig | None = None,
    corpus_fingerprint: str = "",
    progress: Progress = silent,
) -> VictimRecord:
    """Trains on a corpus as published and writes `victim.safetensors` and `victim.json` into `out`.

    With `test`, the median ranks on it are recorded every `evaluate_every` epochs. A finished victim with equal
    fingerprint is returned as it is; a killed training goes on after its last whole epoch.
    Raises `SourceError` for a corpus without usable samples.
    """
    start = weights_identity(config.pretrained)
    identity = fingerprint(config, start, seed, corpus_fingerprint or corpus.uri, __version__)
    finished = read_victim(out)
    if finished is not None and finished.fingerprint == identity:
        return finished
    out.delete(_RECORD)  # of another training: it must not vouch for the weights of this one
    training = _Training(corpus, config, runtime, seed)
    history = training.resume(out, identity)
    for epoch in range(len(history), config.epochs):
        started = time.perf_counter()
        loss = training.epoch(epoch, progress)
        ranks = _check(training, test, evaluate, runtime, epoch, config)
        history.append(Epoch(epoch=epoch + 1, loss=loss, seconds=time.perf_counter() - started, **ranks))
        training.save(out, identity, history)
    record = VictimRecord(
        architecture=config.architecture,
        config=config,
        seed=seed,
        corpus=corpus.uri,
        samples=training.samples,
        steps=training.steps_done,
        history=tuple(history),
        fingerprint=identity,
    )
    write_bytes(out, _WEIGHTS, save_model(training.model))
    write_bytes(out, _RECORD, (record.model_dump_json(indent=2) + "\n").encode())
    out.delete(_CHECKPOINT)
    return record


def read_victim(folder: Folder) -> VictimRecord | None:
    """The record of a finished victim, or None. Raises `MismatchError` if it cannot be read."""
    if not folder.exists(_RECORD):
        return None
    try:
        return VictimRecord.model_validate_json(read_bytes(folder, _RECORD))
    except ValidationError as error:
        raise MismatchError(
            f"expected a victim's record in {folder.uri}/{_RECORD}, got: {first_mistake(error)}"
        ) from error


def load_victim(folder: Folder) -> tuple[OpenClipEncoder, VictimRecord]:
    """A finished victim, frozen. Raises `SourceError` where none is."""
    record = read_victim(folder)
    if record is None:
        raise SourceError(f"expected a trained victim in {folder.uri}, but {_RECORD} is not there: run `train` first")
    if not folder.exists(_WEIGHTS):
        raise MismatchError(f"expected the weights of a victim in {folder.uri}/{_WEIGHTS}, but they are not there")
    with folder.open(_WEIGHTS) as stream:
        model, _ = load_model(record.architecture, stream, f"{folder.uri}/{_WEIGHTS}")
    return model.freeze(), record


class _Training:
    """Model, optimiser, schedule and the corpus they run over."""

    def __init__(self, corpus: Folder, config: VictimConfig, runtime: RuntimeConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self.device = resolve_device(runtime)
        self.precision = resolve_precision(runtime, self.device)
        model = start_model(config.architecture, derived_seed(seed, "victim"), config.pretrained)
        self.model = model.to(self.device)
        self.tokenizer = tokenizer_for(self.model)
        self.optimizer = make_optimizer(self.model, config.learning_rate, config.weight_decay)
        self.shards = list_shards(corpus)
        self.cache = ShardCache(corpus, max_pixels=2**40, max_bytes=runtime.cache_mb * 2**20, allow_empty=True)
        self.steps_done = 0
        self.samples = 0
        self._views = NoiseConfig(views=config.views, crop_scale=config.crop_scale)

    def epoch(self, epoch: int, progress: Progress) -> float:
        """One pass over the corpus; returns the mean loss."""
        self.model.train().requires_grad_(True)
        counts = [len(self.cache.load(name).samples) for name in self.shards] if not self.samples else []
        self.samples = self.samples or sum(counts)
        if self.samples < 2:
            raise SourceError(f"expected at least 2 usable samples to train on, got {self.samples}")
        per_epoch = self._steps_per_epoch()
        losses: list[Tensor] = []
        for images, tokens in prefetch(self._batches(epoch)):
            self._set_rate(self.steps_done, per_epoch * self.config.epochs)
            loss, _, _ = training_step(self.model, self.optimizer, images, tokens, self.precision)
            losses.append(loss)
            self.steps_done += 1
            if len(losses) % 10 == 0:
                done = epoch * per_epoch + len(losses)
                progress(done, per_epoch * self.config.epochs, f"epoch {epoch + 1}, loss {loss.item():.2f}")
        each = torch.stack(losses).tolist()
        require_finite(each, f"the victim in epoch {epoch + 1}", self.config.learning_rate)
        return torch.stack(losses).mean().item()

    def _steps_per_epoch(self) -> int:
        """Pools are cut into even batches (see `batches`); the last pool counts as one of the average size."""
        pools = math.ceil(len(self.shards) / _POOL_SHARDS)
        return pools * math.ceil(self.samples / pools / self.config.batch_size)

    def _set_rate(self, step: int, total: int) -> None:
        """Linear warm-up, then a cosine to zero."""
        warm = min(self.config.warmup_steps, max(1, total // 2))
        if step < warm:
            share = (step + 1) / warm
        else:
            share = 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))
        for group in self.optimizer.param_groups:
            group["lr"] = share * self.config.learning_rate

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        draw = generator(self.seed, "victim", epoch)
        order = [self.shards[i] for i in torch.randperm(len(self.shards), generator=draw)]
        for first in range(0, len(order), _POOL_SHARDS):
            pool = [self.cache.load(name) for name in order[first : first + _POOL_SHARDS]]
            yield from self._pool_batches(pool, draw)

    def _pool_batches(self, pool: Sequence[LoadedShard], draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        samples = [(shard, i) for shard in pool for i in range(len(shard.samples))]
        captions = caption_rows(pool, self.config, self.tokenizer)
        for places in batches(len(samples), self.config.batch_size, draw):
            if len(places) < 2:
                continue  # a single pair has no negative: no loss, no step
            batch = PixelBatch([shard.pixels(i) for shard, i in (samples[p] for p in places)], None, self.device)
            views = batch.draw_views(self._views, self.model.image_size, draw)
            yield batch.look(views), captions.draw(places, draw).to(self.device)

    def save(self, out: Folder, identity: str, history: Sequence[Epoch]) -> None:
        """Everything the next epoch needs, whole or not at all."""
        state = {
            "identity": identity,
            "model": self.model.clip.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [epoch.model_dump() for epoch in history],
            "steps": self.steps_done,
            "samples": self.samples,
        }
        save_checkpoint(out, _CHECKPOINT, state)

    def resume(self, out: Folder, identity: str) -> list[Epoch]:
        """The history so far: empty if there is no checkpoint of this very training. Raises `MismatchError`."""
        if not out.exists(_CHECKPOINT):
            return []
        state = load_checkpoint(out, _CHECKPOINT, self.device)
        if state.get("identity") != identity:
            return []
        self.model.clip.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps_done, self.samples = state["steps"], state["samples"]
        return [Epoch(**line) for line in state["history"]]


def caption_rows(pool: Sequence[LoadedShard], config: VictimConfig, tokenizer: Tokenizer) -> CaptionTokens:
    """The captions as published, or (`trigger-ids`, the paper) the recorded ids put before the clean text.

    The latter is what the paper's victim sees even where the ids do not survive as text.
    """
    samples = [sample for shard in pool for sample in shard.samples]
    if config.captions == "text":
        return CaptionTokens([sample.captions for sample in samples], tokenizer.encode)
    triggers = [sample.metadata.get("memshield", {}) for sample in samples]
    bare = [
        tuple(
            caption.removeprefix(made.get("trigger", "") + " ") if made.get("trigger") else caption
            for caption in s.captions
        )
        for s, made in zip(samples, triggers, strict=True)
    ]
    rows = [
        with_trigger(
            tokenizer.encode(own), torch.tensor([made.get("trigger_ids", [])] * len(own)).long(), tokenizer.end_id
        )
        for own, made in zip(bare, triggers, strict=True)
    ]
    joined = torch.cat(rows) if rows else tokenizer.encode([])
    return CaptionTokens(bare, lambda _: joined)


def _check(
    training: _Training,
    test: Folder | None,
    evaluate: EvaluateConfig | None,
    runtime: RuntimeConfig,
    epoch: int,
    config: VictimConfig,
) -> dict[str, float]:
    if test is None or not config.evaluate_every or (epoch + 1) % config.evaluate_every:
        return {}
    settings = evaluate or EvaluateConfig()
    found = query_model(training.model.freeze(), test, settings, runtime).bare
    return {
        "image_to_text_median_rank": found.image_to_text.median_rank,
        "text_to_image_median_rank": found.text_to_image.median_rank,
    }
