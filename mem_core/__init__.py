"""The algorithm of memshield and the data it works on: no Prefect, no boto3, no environment, no printing.

For servers, `protect_image` and `load_protector`: they are loaded when they are first asked for, and load no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mem_core.protect.protect_image import CodebookProtector, load_protector, protect_image

__version__ = "0.7.0"
__all__ = ["CodebookProtector", "__version__", "load_protector", "protect_image"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module("mem_core.protect.protect_image"), name)
