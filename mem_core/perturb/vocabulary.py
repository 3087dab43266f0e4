"""The vocabulary of a fit: the ids that trigger words may have, as the tensor that HotFlip searches in."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from mem_core.config import TriggerConfig
from mem_core.models import Tokenizer
from mem_core.perturb.allowed_words import allowed_ids, ids_sha256


@dataclass(frozen=True)
class Vocabulary:
    """The allowed token ids, ascending, int64 [V]; language_model: the hash of the one that proposes them, if any."""

    ids: Tensor
    kind: str
    language_model: str = ""

    @cached_property
    def sha256(self) -> str:
        return ids_sha256(self.ids.tolist(), self.language_model)


def build_vocabulary(tokenizer: Tokenizer, config: TriggerConfig) -> Vocabulary:
    """See `allowed_ids`. Raises `ConfigError` if nothing is left."""
    return Vocabulary(torch.tensor(allowed_ids(tokenizer, config)), config.vocabulary)
