"""CLIP models behind one protocol: encoders, tokenizer, weights, loss, input views, device, one training step."""

from mem_core.models.openclip import (
    OpenClipEncoder,
    Tokenizer,
    architectures,
    build_model,
    load_model,
    save_model,
    start_model,
    tokenizer_for,
    weights_identity,
)
from mem_core.models.protocol import DualEncoder

__all__ = [
    "DualEncoder",
    "OpenClipEncoder",
    "Tokenizer",
    "architectures",
    "build_model",
    "load_model",
    "save_model",
    "start_model",
    "tokenizer_for",
    "weights_identity",
]
