"""Training a victim, epoch by epoch; a killed training goes on after its last whole epoch."""

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from mem_core import __version__
from mem_core.config import EvaluateConfig, RuntimeConfig, VictimConfig, fingerprint
from mem_core.data.folder import Folder
from mem_core.data.prefetch import prefetch
from mem_core.device import resolve_device, resolve_precision
from mem_core.evaluation import query_model
from mem_core.models import start_model, weights_identity
from mem_core.progress import Progress, silent
from mem_core.rng import derived_seed
from mem_core.training import load_checkpoint, make_optimizer, require_finite, save_checkpoint, training_step
from mem_core.victim.record import Epoch, VictimRecord, delete_record, read_victim, write_victim
from mem_core.victim.stream import PairStream

_CHECKPOINT = "checkpoint.pt"


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
    delete_record(out)
    training = Training(corpus, config, runtime, seed)
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
        samples=training.stream.samples,
        steps=training.steps_done,
        history=tuple(history),
        fingerprint=identity,
    )
    write_victim(out, training.model, record)
    out.delete(_CHECKPOINT)
    return record


class Training:
    """Model, optimiser, schedule and the stream of pairs they run over."""

    def __init__(self, corpus: Folder, config: VictimConfig, runtime: RuntimeConfig, seed: int) -> None:
        self.config = config
        self.device = resolve_device(runtime)
        self.precision = resolve_precision(runtime, self.device)
        model = start_model(config.architecture, derived_seed(seed, "victim"), config.pretrained)
        self.model = model.to(self.device)
        self.optimizer = make_optimizer(self.model, config.learning_rate, config.weight_decay)
        self.stream = PairStream(corpus, config, runtime, seed, self.model, self.device)
        self.steps_done = 0

    def epoch(self, epoch: int, progress: Progress) -> float:
        """One pass over the corpus; returns the mean loss."""
        self.model.train().requires_grad_(True)
        self.stream.count()
        per_epoch = self.stream.steps_per_epoch
        losses: list[Tensor] = []
        for images, tokens in prefetch(self.stream.batches(epoch)):
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

    def _set_rate(self, step: int, total: int) -> None:
        """Linear warm-up, then a cosine to zero."""
        warm = min(self.config.warmup_steps, max(1, total // 2))
        if step < warm:
            share = (step + 1) / warm
        else:
            share = 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))
        for group in self.optimizer.param_groups:
            group["lr"] = share * self.config.learning_rate

    def save(self, out: Folder, identity: str, history: Sequence[Epoch]) -> None:
        """Everything the next epoch needs, whole or not at all."""
        state = {
            "identity": identity,
            "model": self.model.clip.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [epoch.model_dump() for epoch in history],
            "steps": self.steps_done,
            "samples": self.stream.samples,
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
        self.steps_done, self.stream.samples = state["steps"], state["samples"]
        return [Epoch(**line) for line in state["history"]]


def _check(
    training: Training,
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
