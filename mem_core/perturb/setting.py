"""What stays the same through a whole protection: config, words, seed, device."""

from dataclasses import dataclass

import torch

from mem_core.config import ProtectConfig
from mem_core.models import Tokenizer
from mem_core.perturb.recipes import RECIPES, Recipe
from mem_core.perturb.vocabulary import Vocabulary


@dataclass(frozen=True)
class Setting:
    """Handed to every step of the rounds."""

    config: ProtectConfig
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    seed: int
    device: torch.device
    precision: torch.dtype

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.config.method]
