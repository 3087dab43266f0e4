"""Masked language models: which words read well in a gap, and how well a text reads."""

from mem_core.perturb.language.masked import MaskedLanguageModel, load_language_model, open_language_model
from mem_core.perturb.language.training import (
    ENOUGH_CAPTIONS,
    LanguageModelConfig,
    LanguageModelRecord,
    train_language_model,
)

__all__ = [
    "ENOUGH_CAPTIONS",
    "LanguageModelConfig",
    "LanguageModelRecord",
    "MaskedLanguageModel",
    "load_language_model",
    "open_language_model",
    "train_language_model",
]
