"""The only file that imports transformers and tokenizers, which memshield can do without."""

import logging
import os
from types import ModuleType

from mem_core.common.errors import ConfigError


def libraries() -> tuple[ModuleType, ModuleType]:
    """transformers and tokenizers. Raises `ConfigError` where they are not installed."""
    try:
        import tokenizers
        import transformers
    except ImportError as error:
        raise ConfigError(
            f"language models need the packages transformers and tokenizers, but {error.name} is not installed: "
            'pip install "memshield[lm]"'
        ) from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers, tokenizers


def download(name: str, files: tuple[str, ...]) -> str:
    """The local folder of a model that the Hugging Face hub knows by name, as its cache or the network has it.

    Raises `ConfigError` if it cannot be had.
    """
    libraries()
    from huggingface_hub import snapshot_download

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return os.fspath(snapshot_download(name, allow_patterns=list(files)))
    except Exception as error:  # whatever the hub, its cache, the network or a wrong name lead the library to
        raise ConfigError(
            f"expected a folder with {', '.join(files)} or the name of a model that can be downloaded, "
            f"got {name!r}: {type(error).__name__}",
            hint="train a language model",
        ) from error
