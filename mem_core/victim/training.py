"""Training a victim, epoch by epoch; a killed training goes on after the last epoch that was saved."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from mem_core import __version__
from mem_core.common.errors import ConfigError
from mem_core.common.prefetch import prefetch
from mem_core.common.progress import Checkpoint, Progress, carry_on, silent
from mem_core.common.rng import derived_seed, generator
from mem_core.common.storage.folder import Folder
from mem_core.config import RuntimeConfig, fingerprint
from mem_core.data.corpus import corpus_fingerprint
from mem_core.models import start_model, weights_identity
from mem_core.models.device import resolve_device, resolve_precision
from mem_core.models.training import (
    make_optimizer,
    own_checkpoint,
    require_finite,
    set_rate,
    training_step,
)
from mem_core.victim.checkpoints import Checkpoints
from mem_core.victim.config import EvaluateConfig, FinetuneConfig, VictimConfig
from mem_core.victim.countermeasures.applied import taken_from
from mem_core.victim.finetune import cleaning_step
from mem_core.victim.query_pairs import QueryPairs
from mem_core.victim.record import CHECKPOINT, Epoch, VictimRecord, best_epoch, delete_record, read_victim
from mem_core.victim.stream import ORDER, PairStream
from mem_core.victim.validation import ValidationPairs, require_apart, require_held_out
from mem_core.victim.weights import write_victim

_TELL = 1.0  # seconds between reports of the loss


@dataclass(frozen=True)
class VictimData:
    """What a victim trains on and is asked. corpus: as published; fingerprint: `corpus_fingerprint`, where it is known.

    clean: the clean originals, for countermeasures and fine-tuning that take something from them. validation: clean
    pairs by which the best epoch is chosen. test: clean pairs on which the median ranks are recorded every
    `evaluate_every` epochs, asked as `queries` say; they choose nothing.
    """

    corpus: Folder
    fingerprint: str = ""
    clean: Folder | None = None
    validation: Folder | None = None
    test: Folder | None = None
    queries: EvaluateConfig | None = None


def train_victim(
    data: VictimData,
    out: Folder,
    config: VictimConfig,
    runtime: RuntimeConfig,
    *,
    seed: int,
    progress: Progress = silent,
    checkpoint: Checkpoint = carry_on,
) -> VictimRecord:
    """Trains on a corpus as published and writes `victim.safetensors` and `victim.json` into `out`.

    With validation pairs, `best.safetensors` too where the best epoch is not the last. A finished victim with equal
    fingerprint is returned as it is; one that was left goes on after the epoch it was left at, a killed one after the
    last that was saved (`runtime.checkpoint_minutes`), to the same weights. Raises `SourceError` for a
    corpus without usable samples, and for validation pairs that share an image with the test pairs.
    """
    identity = _identity(data, config, seed)
    finished = read_victim(out)
    if finished is not None and finished.fingerprint == identity:
        return finished
    training = Training(data.corpus, config, runtime, seed, data.clean)
    pairs = training.validation_pairs(data)
    delete_record(out)  # only now: what is refused leaves the victim that was there
    history = training.resume(out, identity)
    with Checkpoints(out, CHECKPOINT, runtime.checkpoint_minutes) as checkpoints:
        for epoch in range(len(history), training.epochs):
            started = time.perf_counter()
            loss = training.epoch(epoch, progress)
            ranks = training.median_ranks(epoch, data.test, data.queries or EvaluateConfig()) | training.validate(pairs)
            history.append(Epoch(epoch=epoch + 1, loss=loss, seconds=time.perf_counter() - started, **ranks))
            training.keep_best(history)
            checkpoints.after_epoch(partial(training.state, identity, history), checkpoint)
    record = VictimRecord(
        architecture=config.architecture,
        config=config,
        seed=seed,
        corpus=data.corpus.uri,
        samples=training.stream.samples,
        steps=training.steps_done,
        history=tuple(history),
        validation=pairs.about if pairs else None,
        fingerprint=identity,
        corpus_fingerprint=data.fingerprint,
    )
    write_victim(out, training.model, record, training.best)
    out.delete(CHECKPOINT)
    return record


def _identity(data: VictimData, config: VictimConfig, seed: int) -> str:
    """Hash of what decides the weights of all epochs, and which of them is the best. The test pairs decide nothing."""
    start = weights_identity(config.pretrained)
    more = taken_from(config.countermeasures, data.clean, also=config.finetune is not None)
    chosen_on = [corpus_fingerprint(data.validation)] if data.validation and config.validation_pairs else []
    return fingerprint(config, start, seed, data.fingerprint or data.corpus.uri, more, __version__, *chosen_on)


class Training:
    """Model, optimiser, schedule and the stream of pairs they run over."""

    def __init__(
        self, corpus: Folder, config: VictimConfig, runtime: RuntimeConfig, seed: int, clean: Folder | None = None
    ) -> None:
        if config.finetune is not None and clean is None:
            raise ConfigError("fine-tuning on clean pairs needs the clean corpus", hint="name the clean corpus")
        self.config, self.runtime, self.seed, self.clean = config, runtime, seed, clean
        self.device = resolve_device(runtime)
        self.precision = resolve_precision(runtime, self.device)
        model = start_model(config.architecture, derived_seed(seed, "victim"), config.pretrained)
        self.model = model.to(self.device)
        self.optimizer = make_optimizer(self.model, config.learning_rate, config.weight_decay, config.optimizer)
        self.stream = PairStream(corpus, config, runtime, seed, self.model, self.device, clean)
        self.steps_done = 0
        self.best: dict[str, Tensor] | None = None  # the weights of the best epoch so far, by name
        self._queries: QueryPairs | None = None

    @property
    def epochs(self) -> int:
        """Those of training and of fine-tuning."""
        return self.config.epochs + (self.config.finetune.epochs if self.config.finetune else 0)

    def epoch(self, epoch: int, progress: Progress) -> float:
        """One pass over the corpus, or, after the training proper, over the clean pairs; returns the mean loss."""
        self.model.train().requires_grad_(True)
        self.stream.count()
        finetune = self.config.finetune if epoch >= self.config.epochs else None
        losses = list(self._train(epoch, progress) if finetune is None else self._finetune(epoch, finetune, progress))
        each = torch.stack(losses).tolist()
        require_finite(each, f"the victim in epoch {epoch + 1}", self.config.learning_rate)
        return torch.stack(losses).mean().item()

    def _train(self, epoch: int, progress: Progress) -> Iterator[Tensor]:
        per_epoch = self.stream.steps_per_epoch
        total, told = per_epoch * self.config.epochs, 0.0
        for number, (images, tokens) in enumerate(prefetch(self.stream.batches(epoch)), start=1):
            self._set_rate(self.steps_done + self.config.rate_ahead * per_epoch, total)
            loss, _, _ = training_step(self.model, self.optimizer, images, tokens, self.precision)
            self.steps_done += 1
            if number % 10 == 0 and time.monotonic() - told >= _TELL:  # to read the loss is to wait for the device
                progress(epoch * per_epoch + number, total, f"epoch {epoch + 1}, loss {loss.item():.2f}")
                told = time.monotonic()
            yield loss

    def _finetune(self, epoch: int, settings: FinetuneConfig, progress: Progress) -> Iterator[Tensor]:
        """At a constant rate, with an optimiser of its own in each epoch: nothing is left over from the corpus."""
        optimizer = make_optimizer(self.model, settings.learning_rate, self.config.weight_decay, self.config.optimizer)
        draw = generator(self.seed, "finetune", epoch)
        for images, tokens in prefetch(self._clean_pairs.batches(epoch)):
            weight = settings.self_supervision
            yield cleaning_step(self.model, optimizer, images, tokens, weight, self.precision, draw)
            self.steps_done += 1
        progress(epoch + 1 - self.config.epochs, settings.epochs, "fine-tuned on clean pairs")

    @cached_property
    def _clean_pairs(self) -> PairStream:
        settings, clean = self.config.finetune, self.clean
        assert settings is not None
        assert clean is not None
        wanted = max(2, round(settings.share * self.stream.samples))
        config = self.config.model_copy(update={"countermeasures": (), "captions": "text", "samples": wanted})
        stream = PairStream(clean, config, self.runtime, self.seed, self.model, self.device)
        stream.count()
        return stream

    def _set_rate(self, step: int, total: int) -> None:
        """Linear warm-up, of half the steps at most where it is fitted, then a cosine to zero."""
        warm = self.config.warmup_steps
        if self.config.warmup == "fitted":
            warm = min(warm, max(1, total // 2))
        set_rate(self.optimizer, self.config.learning_rate, step, total, warm)

    def median_ranks(self, epoch: int, test: Folder | None, settings: EvaluateConfig) -> dict[str, float]:
        """Those of bare queries after this epoch, by the fields of `Epoch`; none where they are not due."""
        if test is None or not self.config.evaluate_every or (epoch + 1) % self.config.evaluate_every:
            return {}
        if self._queries is None or self._queries.test is not test:
            self._queries = QueryPairs(test, self.model, settings, self.runtime, keep=True)
        to_text, to_image = self._queries.median_ranks(self.model.freeze())
        return {"image_to_text_median_rank": to_text, "text_to_image_median_rank": to_image}

    def validation_pairs(self, data: VictimData) -> ValidationPairs | None:
        """The pairs that choose the best epoch, made ready once for all epochs; None where there are none."""
        if data.validation is None or not self.config.validation_pairs:
            return None
        require_held_out(data.validation, data.corpus)
        pairs = ValidationPairs.load(data.validation, self.config.validation_pairs, self.model, self.device)
        if data.test is not None:
            require_apart(pairs.about, data.test)
        return pairs

    def validate(self, pairs: ValidationPairs | None) -> dict[str, float]:
        """Median ranks of the weights as they are on the validation pairs, by the fields of `Epoch`."""
        if pairs is None:
            return {}
        to_text, to_image = pairs.median_ranks(self.model.freeze(), self.device, self.precision)
        return {"validation_image_to_text_median_rank": to_text, "validation_text_to_image_median_rank": to_image}

    def keep_best(self, history: Sequence[Epoch]) -> None:
        """Keeps the weights as they are, on the device, if the epoch that has just ended is the best so far."""
        if history and best_epoch(history) == len(history):
            self.best = {name: value.detach().clone() for name, value in self.model.clip.state_dict().items()}

    def state(self, identity: str, history: Sequence[Epoch]) -> dict[str, Any]:
        """Everything the next epoch needs, and the best weights so far; `resume` takes it."""
        return {
            "identity": identity,
            "model": self.model.clip.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "history": [epoch.model_dump() for epoch in history],
            "steps": self.steps_done,
            "order": ORDER,
        }

    def resume(self, out: Folder, identity: str) -> list[Epoch]:
        """The history so far: empty if there is no checkpoint of this very training. Raises `MismatchError`."""
        state = own_checkpoint(out, CHECKPOINT, identity, self.device)
        if state is None or state.get("order") != ORDER or "best" not in state:
            return []
        self.model.clip.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.steps_done = state["best"], state["steps"]
        self.stream.count()
        return [Epoch(**line) for line in state["history"]]
