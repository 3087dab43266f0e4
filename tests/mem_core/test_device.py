"""Where the work runs: what the machine has, and a sentence for what it lacks."""

import pytest
import torch

from mem_core.config import RuntimeConfig
from mem_core.device import autocast, resolve_device, resolve_precision
from mem_core.errors import ConfigError

CPU = torch.device("cpu")


def test_the_cpu_is_always_there() -> None:
    assert resolve_device(RuntimeConfig(device="cpu")) == CPU
    assert resolve_device(RuntimeConfig()).type in ("cpu", "cuda")


@pytest.mark.parametrize("device", ["cuda:99", "mps" if not torch.backends.mps.is_available() else "cuda:98"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"expected a device of this machine \(1 cpu.*got '{device}'"):
        resolve_device(RuntimeConfig(device=device))


def test_precision_is_as_asked_or_native() -> None:
    assert resolve_precision(RuntimeConfig(precision="float32"), CPU) == torch.float32
    assert resolve_precision(RuntimeConfig(precision="bfloat16"), CPU) == torch.bfloat16
    assert resolve_precision(RuntimeConfig(), CPU) in (torch.float32, torch.bfloat16)


def test_autocast_changes_products_only_in_bfloat16() -> None:
    one = torch.rand(4, 4)
    with autocast(CPU, torch.float32):
        assert (one @ one).dtype == torch.float32
    with autocast(CPU, torch.bfloat16):
        assert (one @ one).dtype == torch.bfloat16
