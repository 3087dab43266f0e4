"""Where the work runs: what the machine has, and a sentence for what it lacks."""

import pytest
import torch

from mem_core.common.errors import ConfigError
from mem_core.config import RuntimeConfig
from mem_core.models.device import autocast, cpu_threads, resolve_device, resolve_precision

CPU = torch.device("cpu")


def test_the_cpu_is_always_there() -> None:
    assert resolve_device(RuntimeConfig(device="cpu")) == CPU
    assert resolve_device(RuntimeConfig()).type in ("cpu", "cuda")


@pytest.mark.parametrize("device", ["cuda:99", "mps" if not torch.backends.mps.is_available() else "cuda:98"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ConfigError, match=rf"expected a device of this machine \(1 cpu.*got '{device}'"):
        resolve_device(RuntimeConfig(device=device))


def test_of_several_devices_each_has_to_be_there_and_the_first_is_used() -> None:
    assert resolve_device(RuntimeConfig(devices=("cpu",))) == CPU
    with pytest.raises(ConfigError, match=r"expected a device of this machine \(1 cpu.*got 'cuda:97'"):
        resolve_device(RuntimeConfig(devices=("cpu", "cuda:97")))


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


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
