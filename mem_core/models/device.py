"""Device, precision, and the number of CPU threads where it affects the bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, RetryShard
from mem_core.config import RuntimeConfig

_ALL_THREADS = torch.get_num_threads()  # of this process, as it began


def resolve_device(runtime: RuntimeConfig) -> torch.device:
    """The one device, or the first of several. `auto` is the first GPU, else the CPU.

    Raises `ConfigError` for a device that this machine lacks, whichever of them it is.
    """
    named = runtime.devices or (runtime.device,)
    first, *_ = (_found(name) for name in named)
    return first


def _found(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= here[device.type]:
        found = ", ".join(f"{count} {kind}" for kind, count in here.items() if count)
        raise ConfigError(f"expected a device of this machine ({found}), got {name!r}")
    return device


def resolve_precision(runtime: RuntimeConfig, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the hardware multiplies it natively, else float32."""
    if runtime.precision != "auto":
        return torch.bfloat16 if runtime.precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported()
    else:  # emulated bfloat16 is slower than float32, so the mere ability to run it is not enough
        native = device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
    return torch.bfloat16 if native else torch.float32


@contextmanager
def retry_if_lost(shard: str) -> Iterator[None]:
    """Turns a device failure into `RetryShard`: elsewhere, or later, the shard may succeed."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RetryShard(f"shard {shard}: expected work that fits into the device's memory, {_first(error)}") from error
    except torch.AcceleratorError as error:
        raise RetryShard(f"shard {shard}: expected the device to stay, but it was lost: {_first(error)}") from error


def _first(error: Exception) -> str:
    return " ".join(map(str, error.args)).strip().partition("\n")[0]


def watch_memory(device: torch.device) -> None:
    """Resets what `peak_memory` counts."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int | None:
    """Bytes of a GPU that this process held at most since `watch_memory`; None for other devices."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; to a GPU through pinned memory, so that the copy is asynchronous.

    Memory that one value fills for many places (an expanded tensor) cannot be pinned: it is written out first.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


def stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """Tensors of one shape together on the device; to a GPU as `moved`, gathered in pinned memory at once."""
    if device.type != "cuda":
        return torch.stack(list(tensors)).to(device)
    shape = (len(tensors), *tensors[0].shape)
    pinned = torch.empty(shape, dtype=tensors[0].dtype, pin_memory=True)
    return torch.stack(list(tensors), out=pinned).to(device, non_blocking=True)


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """A fresh autocast block; no effect for float32."""
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """This number of torch threads inside the block, whatever the machine has.

    Sums over a batch are split among threads, which decides their last bits: gradients of weights depend on the number.
    What is done to a sample with frozen weights does not.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def share_of_threads(workers: int) -> Iterator[None]:
    """One worker's part of the process's torch threads inside the block, where so many are at work at once.

    With all of them each, they would wait for each other at the end of every operation.
    """
    torch.set_num_threads(max(1, _ALL_THREADS // workers))
    try:
        yield
    finally:
        torch.set_num_threads(_ALL_THREADS)
