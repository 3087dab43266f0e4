"""What a stress test will cost, from a few steps measured on this machine."""

import math
import time
from collections.abc import Sequence

import torch

from mem_core.audit.stress.cells import StressCell
from mem_core.config import Frozen, RuntimeConfig
from mem_core.models import build_model, tokenizer_for
from mem_core.models.device import resolve_device, resolve_precision
from mem_core.models.training import make_optimizer, training_step
from mem_core.victim.config import VictimConfig

_STEPS = 3
_QUERY = 1.0  # what it takes to query with a test image and its captions, in pairs trained on


class StressCost(Frozen):
    """Victims to be trained, their steps in all, and the seconds of it all on this machine as it was a moment ago."""

    victims: int
    steps: int
    seconds: float


def stress_cost(
    cells: Sequence[StressCell],
    victim: VictimConfig,
    runtime: RuntimeConfig,
    *,
    samples: int,
    test_samples: int,
) -> StressCost:
    """samples, test_samples: how many pairs make an epoch of each victim, and how many it is queried with."""
    pair = _seconds_a_step(victim, runtime) / victim.batch_size
    steps = seen = 0
    for cell in cells:
        config = cell.victim(victim, samples)
        steps += config.epochs * math.ceil(samples / config.batch_size)
        seen += config.epochs * samples
        if config.finetune is not None:  # two views of each pair
            seen += round(2 * config.finetune.epochs * config.finetune.share * samples)
    return StressCost(victims=len(cells), steps=steps, seconds=pair * (seen + len(cells) * _QUERY * test_samples))


def _seconds_a_step(victim: VictimConfig, runtime: RuntimeConfig) -> float:
    """The fastest of a few training steps on noise, after one to warm up."""
    device = resolve_device(runtime)
    model = build_model(victim.architecture, seed=0).to(device).train()
    optimizer = make_optimizer(model, victim.learning_rate, victim.weight_decay, victim.optimizer)
    images = torch.rand(victim.batch_size, 3, model.image_size, model.image_size, device=device)
    tokens = tokenizer_for(model).encode(["a dog runs over the grass"] * victim.batch_size).to(device)
    times = []
    for _ in range(1 + _STEPS):
        started = time.perf_counter()
        training_step(model, optimizer, images, tokens, resolve_precision(runtime, device))[0].item()
        times.append(time.perf_counter() - started)
    return min(times[1:])
