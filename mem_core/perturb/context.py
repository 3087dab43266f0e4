"""What stays the same through a whole protection: config, words, seed, device."""

from dataclasses import dataclass, field

import torch

from mem_core.config import ProtectConfig
from mem_core.config.methods import Recipe
from mem_core.models import Tokenizer
from mem_core.models.microbatch import MicroBatcher
from mem_core.perturb.fluent_words import FluentWords
from mem_core.perturb.vocabulary import Vocabulary


@dataclass(frozen=True)
class FitContext:
    """Handed to every step of the rounds."""

    config: ProtectConfig
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    seed: int
    device: torch.device
    precision: torch.dtype
    micro_batcher: MicroBatcher = field(default_factory=MicroBatcher)
    fluent: FluentWords | None = None

    @property
    def recipe(self) -> Recipe:
        return self.config.recipe
