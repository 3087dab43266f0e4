"""CLIP's tokens as rows for a text tower; what a text's are is remembered."""

from array import array
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.models.byte_pairs import BytePairs
from mem_core.models.openclip import OpenClipEncoder

_MOST_REMEMBERED = 512  # characters of a text that is remembered, which bounds the memory: more than CLIP's context


@lru_cache(maxsize=2**18)
def _remembered(text: str) -> bytes:
    """Captions come again in every epoch, round and check, and to read one takes 80 microseconds; 80 MB for 200,000."""
    return BytePairs().packed(text)


class Tokenizer(BytePairs):
    """CLIP's byte-pair tokens for one context length. What a text's are is remembered, for all lengths together."""

    def __init__(self, context_length: int) -> None:
        super().__init__()
        self.context_length = context_length

    def encode(self, texts: Sequence[str]) -> Tensor:
        """int64 [N, T]: start, ids, end, zeros; longer texts are cut and end with the end token."""
        return torch.from_numpy(self.rows(texts, self.context_length))

    def ids(self, text: str) -> list[int]:
        """All ids of a text, without start, end or length limit."""
        return array("H", self.packed(text)).tolist()

    def packed(self, text: str) -> bytes:
        """The same, uint16 each."""
        return _remembered(text) if len(text) <= _MOST_REMEMBERED else BytePairs().packed(text)


def tokenizer_for(model: OpenClipEncoder) -> Tokenizer:
    """The model's tokenizer. Raises `ConfigError` for models whose vocabulary is not CLIP's."""
    tokenizer = Tokenizer(model.context_length)
    vocabulary = model.token_embeddings.shape[0]
    if vocabulary != tokenizer.size:
        raise ConfigError(
            f"expected a text tower with CLIP's {tokenizer.size} tokens, but {model.architecture} has {vocabulary}"
        )
    return tokenizer
