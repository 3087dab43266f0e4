"""CLIP's tokens as rows for a text tower; what a text's are is remembered."""

from array import array
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.models.byte_pairs import BytePairs
from mem_core.models.openclip import OpenClipEncoder


def _ids_of(text: str) -> bytes:
    """All ids of a text, uint16 each: CLIP's vocabulary has 49,408."""
    return array("H", BytePairs().ids(text)).tobytes()


_remembered = lru_cache(maxsize=2**18)(_ids_of)
"""Captions come again in every epoch, round and check, and to read one takes 80 microseconds; 80 MB for 200,000."""

_MOST_REMEMBERED = 512  # characters of a text that is remembered, which bounds the memory: more than CLIP's context


class Tokenizer(BytePairs):
    """CLIP's byte-pair tokens for one context length. What a text's are is remembered, for all lengths together."""

    def __init__(self, context_length: int) -> None:
        super().__init__()
        self.context_length = context_length

    def encode(self, texts: Sequence[str]) -> Tensor:
        """int64 [N, T]: start, ids, end, zeros; longer texts are cut and end with the end token."""
        length, room = self.context_length, self.context_length - 2
        pieces = [self._ids(text)[: 2 * room] for text in texts]
        counts = np.array([len(piece) // 2 for piece in pieces], dtype=np.int64)
        rows = np.zeros((len(pieces), length), dtype=np.int64)
        rows[:, 0] = self.start_id
        rows[:, 1:-1][np.arange(room) < counts[:, None]] = np.frombuffer(b"".join(pieces), dtype=np.uint16)
        rows[np.arange(len(pieces)), counts + 1] = self.end_id
        return torch.from_numpy(rows)

    def ids(self, text: str) -> list[int]:
        """All ids of a text, without start, end or length limit."""
        return array("H", self._ids(text)).tolist()

    def _ids(self, text: str) -> bytes:
        return _remembered(text) if len(text) <= _MOST_REMEMBERED else _ids_of(text)


def tokenizer_for(model: OpenClipEncoder) -> Tokenizer:
    """The model's tokenizer. Raises `ConfigError` for models whose vocabulary is not CLIP's."""
    tokenizer = Tokenizer(model.context_length)
    vocabulary = model.token_embeddings.shape[0]
    if vocabulary != tokenizer.size:
        raise ConfigError(
            f"expected a text tower with CLIP's {tokenizer.size} tokens, but {model.architecture} has {vocabulary}"
        )
    return tokenizer
