"""CLIP models behind one protocol: encoders, tokenizer, weights, loss, input views, device, one training step.

The names below load torch and open_clip when they are first asked for, so that what needs neither (captions and their
trigger words) can do without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mem_core.models.identity import weights_identity
    from mem_core.models.openclip import (
        OpenClipEncoder,
        architectures,
        build_model,
        copy_model,
        load_model,
        save_model,
        start_model,
    )
    from mem_core.models.protocol import DualEncoder
    from mem_core.models.tokenizer import Tokenizer, tokenizer_for

__all__ = [
    "DualEncoder",
    "OpenClipEncoder",
    "Tokenizer",
    "architectures",
    "build_model",
    "copy_model",
    "load_model",
    "save_model",
    "start_model",
    "tokenizer_for",
    "weights_identity",
]

_ELSEWHERE = {
    "DualEncoder": "protocol",
    "Tokenizer": "tokenizer",
    "tokenizer_for": "tokenizer",
    "weights_identity": "identity",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'openclip')}"), name)
