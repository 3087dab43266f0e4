"""Weights from an untrusted file: safetensors, or a torch checkpoint read without running any code."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mem_core.common.errors import ConfigError

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what trainers put the weights into
_PREFIXES = ("module.", "model.")  # DistributedDataParallel's, and that of our own files


def read_weights(path: Path) -> dict[str, Tensor]:
    """Parameter name -> tensor, on the CPU, less what wrappers put around them.

    Raises `ConfigError` for a file that is absent, cut short, holds no weights, or holds objects that would run code.
    """
    if not path.is_file():
        raise ConfigError(f"expected a checkpoint file in {path}, but it is not there")
    tensors = _tensors_of(_unwrapped(_read(path)))
    if not tensors:
        raise ConfigError(f"expected weights by name in {path}, but it holds none")
    for prefix in _PREFIXES:
        if any(name.startswith(prefix) for name in tensors):
            tensors = {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}
    return tensors


def fill(model: torch.nn.Module, tensors: Mapping[str, Tensor], architecture: str, origin: str) -> None:
    """Loads the weights into the model. Raises `ConfigError` if they are those of another architecture."""
    wanted = model.state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    unknown = sorted(tensors.keys() - wanted.keys())
    shaped = sorted(name for name in wanted.keys() & tensors.keys() if wanted[name].shape != tensors[name].shape)
    if missing or unknown or shaped:
        example = f"{shaped[0]} is {list(tensors[shaped[0]].shape)}" if shaped else (missing + unknown)[0]
        raise ConfigError(
            f"expected weights of {architecture} in {origin}, but they are of another architecture: {len(missing)} "
            f"tensors are missing, {len(unknown)} unknown, {len(shaped)} of another shape, such as {example}"
        )
    model.load_state_dict(tensors)


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            is_torch = stream.read(4) in (b"PK\x03\x04", b"\x80\x02\x8a\n") or path.suffix in (".pt", ".pth", ".bin")
        return torch.load(path, map_location="cpu", weights_only=True) if is_torch else load_file(path)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"expected nothing but weights in {path}, but it holds Python objects, whose loading can run any code "
            f"({_reason(error)}): ask for the weights as safetensors"
        ) from error
    except (SafetensorError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"expected a whole checkpoint in {path} (safetensors, or torch's), which cannot be read: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """The end of torch's long messages says what it was; the first line of others."""
    if isinstance(error, LookupError | TypeError | AttributeError):  # what the unpickler stumbled over says nothing
        return "its bytes are those of another kind of file"
    text = " ".join(str(error).split())
    return text.partition("WeightsUnpickler error: ")[2][:120] or text[:120] or type(error).__name__


def _unwrapped(found: Any) -> Any:
    for key in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    return found


def _tensors_of(found: Any) -> dict[str, Tensor]:
    return {str(k): v for k, v in found.items() if isinstance(v, Tensor)} if isinstance(found, Mapping) else {}
