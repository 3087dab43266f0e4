"""Training a victim, epoch by epoch; a killed training goes on after its last whole epoch."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

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
    save_checkpoint,
    set_rate,
    training_step,
)
from mem_core.victim.config import EvaluateConfig, FinetuneConfig, VictimConfig
from mem_core.victim.countermeasures.applied import taken_from
from mem_core.victim.evaluation import query_model
from mem_core.victim.finetune import cleaning_step
from mem_core.victim.record import (
    CHECKPOINT,
    Epoch,
    VictimRecord,
    delete_record,
    keep_best,
    read_victim,
    write_victim,
)
from mem_core.victim.stream import ORDER, PairStream
from mem_core.victim.validation import ValidationPairs, require_apart, require_held_out


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
    fingerprint is returned as it is; a killed training goes on after its last whole epoch. Raises `SourceError` for a
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
    keep_best(out, training.model, history)
    for epoch in range(len(history), training.epochs):
        started = time.perf_counter()
        loss = training.epoch(epoch, progress)
        ranks = training.median_ranks(epoch, data.test, data.queries or EvaluateConfig()) | training.validate(pairs)
        history.append(Epoch(epoch=epoch + 1, loss=loss, seconds=time.perf_counter() - started, **ranks))
        training.save(out, identity, history)
        keep_best(out, training.model, history)
        checkpoint()
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
    write_victim(out, training.model, record)
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
        total = per_epoch * self.config.epochs
        for number, (images, tokens) in enumerate(prefetch(self.stream.batches(epoch)), start=1):
            self._set_rate(self.steps_done + self.config.rate_ahead * per_epoch, total)
            loss, _, _ = training_step(self.model, self.optimizer, images, tokens, self.precision)
            self.steps_done += 1
            if number % 10 == 0:
                progress(epoch * per_epoch + number, total, f"epoch {epoch + 1}, loss {loss.item():.2f}")
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
        found = query_model(self.model.freeze(), test, settings, self.runtime).bare
        directions = ("image_to_text", "text_to_image")
        return {f"{direction}_median_rank": getattr(found, direction).median_rank for direction in directions}

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

    def save(self, out: Folder, identity: str, history: Sequence[Epoch]) -> None:
        """Everything the next epoch needs, whole or not at all."""
        state = {
            "identity": identity,
            "model": self.model.clip.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [epoch.model_dump() for epoch in history],
            "steps": self.steps_done,
            "order": ORDER,
        }
        save_checkpoint(out, CHECKPOINT, state)

    def resume(self, out: Folder, identity: str) -> list[Epoch]:
        """The history so far: empty if there is no checkpoint of this very training. Raises `MismatchError`."""
        state = own_checkpoint(out, CHECKPOINT, identity, self.device)
        if state is None or state.get("order") != ORDER:
            return []
        self.model.clip.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps_done = state["steps"]
        self.stream.count()
        return [Epoch(**line) for line in state["history"]]
