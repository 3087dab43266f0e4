"""Calibrates one way to protect: the real steps, cut short, on two shards of real images.

The first shard warms everything up; the second is measured. Both are as large as a batch, so that batches are real.
"""

import math
from collections.abc import Callable

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.storage.folder import Folder
from mem_core.config import ProtectConfig, RuntimeConfig
from mem_core.data.receipt import read_receipt
from mem_core.experiments.estimate.costs import FitCost, ProtectCost
from mem_core.experiments.estimate.request_counter import Call, CountedFolder, calls_of
from mem_core.models import Tokenizer
from mem_core.models.device import peak_memory, resolve_device, watch_memory
from mem_core.protect.destination import STATE
from mem_core.protect.protection import Protection
from mem_core.protect.surrogates import surrogate_name

Clock = Callable[[], float]

_STEPS = 14  # of the surrogate: the trainer tells where it stands after 10, when it is warm, and at the end
_CONTEXT = 77


def short(config: ProtectConfig) -> ProtectConfig:
    """The config with as few steps and rounds as show what each costs: a round with triggers, and one without.

    A surrogate for each shard takes as many steps in all as one for all of them, so that is what is measured.
    """
    if config.strategy == "replay":
        return config
    steps = min(_STEPS, config.surrogate.steps_per_round)
    trigger = config.trigger.model_copy(update={"rounds": min(1, config.trigger.rounds)})
    surrogate = config.surrogate.model_copy(update={"steps_per_round": steps})
    changes = {"strategy": "rounds", "rounds": min(2, config.rounds), "loss_threshold": 0.0}
    return config.model_copy(update=changes | {"trigger": trigger, "surrogate": surrogate})


def calibrate_protection(
    clean: Folder,
    scratch: Folder,
    config: ProtectConfig,
    runtime: RuntimeConfig,
    *,
    seed: int,
    clock: Clock,
    protector: Folder | None = None,
) -> ProtectCost:
    """clean: exactly two shards, with receipts. Raises what protecting itself would."""
    device = resolve_device(runtime)
    watch_memory(device)
    calls: list[Call] = []
    source, dest = CountedFolder(clean, calls), CountedFolder(scratch, calls)
    protection = Protection(source, dest, short(config), runtime, seed=seed, protector=protector)
    warm, measured = protection.shards
    protection.begin()
    fit = None if protection.fitted else _fit(protection, scratch, calls, clock)
    calls.clear()
    protection.plan()
    protection.publish(warm)
    calls[:] = [call for call in calls if not _of_shard(call, warm)]
    started = clock()
    protection.publish(measured)
    publish = clock() - started
    protection.finish()
    publishing = [call for call in calls if not _of_shard(call, warm) and not _is_tar_read(call)]
    memory = peak_memory(device)
    calls.clear()
    tokenize, started = Tokenizer(_CONTEXT).encode, clock()
    verify_corpus(source, dest, tokenize=tokenize)
    verify = (clock() - started) / (samples_of(clean, warm) + samples_of(clean, measured))
    verifying = [call for call in calls if not _of_shard(call, warm)]
    samples, tar = samples_of(clean, measured), scratch.size(f"{measured}.tar")
    own = sum(size for name, size in scratch.top().items() if name.startswith(measured))
    return ProtectCost(
        fit=fit,
        publish=publish / samples,
        verify=verify,
        tar=tar / samples,
        beside=(own - tar) / samples,
        publishing=calls_of(publishing, measured, samples),
        verifying=calls_of(verifying, measured, samples),
        memory=memory,
    )


def _fit(protection: Protection, scratch: Folder, calls: list[Call], clock: Clock) -> FitCost:
    """All rounds of the short config; the last one of each kind is what counts."""
    warm, measured = protection.shards
    samples = samples_of(protection.clean, measured)
    steps, batch = protection.config.surrogate.steps_per_round, protection.config.surrogate.batch_size
    pool = samples if protection.config.surrogate.pool_shards == 1 else samples + samples_of(protection.clean, warm)
    begin = calls_of(calls, measured, samples)
    seconds, losses = [], []
    for number in range(protection.config.rounds):
        calls.clear()
        marks, started = _Marks(clock), clock()
        protection.fit.train_surrogate(number, marks)
        beyond, step = marks.split(clock() - started, steps)
        train = [call for call in calls if not (_of_shard(call, warm) or _of_shard(call, measured))]
        protection.fit.update_shard(warm, number)
        calls.clear()
        started = clock()
        losses.append(protection.fit.update_shard(measured, number))
        seconds.append((clock() - started) / samples)
        advance = [call for call in calls if not _is_tar_read(call)]
    work = scratch.below(STATE)
    cost = FitCost(
        pair=step / even_batch(pool, batch),
        round=beyond,
        first=seconds[0],
        later=seconds[-1],
        state=work.size(f"{measured}.safetensors") / samples,
        surrogate=protection.protector_folder.size(surrogate_name(0)),
        optimizer=max(size for name, size in work.top().items() if name.startswith("optimizer")),
        begin=begin,
        train=calls_of(train, measured, samples),
        advance=calls_of(advance, measured, samples),
    )
    protection.fit.finish(losses)
    return cost


def even_batch(pairs: float, size: int) -> float:
    """How many pairs a batch of at most `size` has: a pool is cut into even pieces."""
    return pairs / max(1, math.ceil(pairs / size))


class _Marks:
    """When the surrogate's trainer said how far it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: list[tuple[int, float]] = []

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        self._at.append((done, self._clock()))

    def split(self, seconds: float, steps: int) -> tuple[float, float]:
        """Seconds of the round beyond its steps, and seconds a step. Without two marks all is steps."""
        if len(self._at) < 2:
            return 0.0, seconds / max(1, steps)
        (first, then), *_, (last, now) = self._at
        step = (now - then) / (last - first)
        return max(0.0, seconds - steps * step), step


def samples_of(clean: Folder, shard: str) -> int:
    """How many samples a finished shard accounts for, failed ones among them."""
    receipt = read_receipt(clean, shard)
    assert receipt is not None
    return sum(receipt.counts.values())


def _of_shard(call: Call, shard: str) -> bool:
    return call.name.rpartition("/")[2].startswith(shard)


def _is_tar_read(call: Call) -> bool:
    """Whether a shard is read: how often that happens depends on how much fits into memory, not on the step."""
    return call.kind == "get" and call.name.endswith(".tar")
