"""The training step lowers the loss; checkpoints come back whole or are named; divergence has a sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import OptimizerConfig
from mem_core.models import build_model, tokenizer_for
from mem_core.models.training import (
    load_checkpoint,
    make_optimizer,
    require_finite,
    save_checkpoint,
    set_rate,
    training_step,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_steps_learn_a_batch_by_heart(precision: torch.dtype) -> None:
    model = build_model("tiny-resnet-32", seed=0)
    tokens = tokenizer_for(model).encode(["red", "green", "blue", "a house", "a dog", "sky"])
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    optimizer = make_optimizer(model, 1e-3, 0.2)
    losses = [float(training_step(model, optimizer, images, tokens, precision)[0]) for _ in range(12)]
    assert losses[-1] < losses[0] / 2


def test_norms_biases_and_the_scale_do_not_decay() -> None:
    model = build_model("tiny-resnet-32", seed=0)
    decayed, plain = make_optimizer(model, 1e-3, 0.2).param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.2, 0.0)
    assert all(value.ndim >= 2 for value in decayed["params"])
    assert any(value is model.clip.logit_scale for value in plain["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("architecture", ["tiny-resnet-32", "tiny-vit-32"])
def test_by_names_decays_what_the_original_lets_decay(architecture: str) -> None:
    model = build_model(architecture, seed=0)
    settings = OptimizerConfig(betas=(0.9, 0.999), eps=1e-8, decay="names")
    optimizer = make_optimizer(model, 1e-3, 0.2, settings)
    decayed, plain = optimizer.param_groups
    assert (decayed["betas"], decayed["eps"], plain["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.0)
    theirs = [
        name
        for name, _ in model.clip.named_parameters()
        if not ("bn" in name or "ln" in name or "bias" in name or "logit_scale" in name)
    ]
    named = {id(value): name for name, value in model.clip.named_parameters()}
    assert [named[id(value)] for value in decayed["params"]] == theirs
    ours = {named[id(value)] for value in make_optimizer(model, 1e-3, 0.2).param_groups[0]["params"]}
    more = set(theirs) - ours
    assert more
    assert all("downsample" in name or "class_embedding" in name for name in more)


@pytest.mark.parametrize(("per_epoch", "epochs"), [(234, 32), (1132, 32), (7, 3)])
def test_the_rate_is_the_original_s_at_every_step(per_epoch: int, epochs: int) -> None:
    """Its scheduler, written out: steps are counted from epoch 1 on, so the last epoch lies beyond the schedule."""
    model = build_model("tiny-resnet-32", seed=0)
    optimizer = make_optimizer(model, 5e-4, 0.2)
    total, warm, peak = per_epoch * epochs, 10_000 if per_epoch > 7 else 5, 5e-4
    for step in range(total):
        theirs = step + per_epoch
        progress = (theirs - warm) / (total - warm)
        expected = peak * (theirs + 1) / warm if theirs < warm else 0.5 * (1 + np.cos(np.pi * progress)) * peak
        set_rate(optimizer, peak, step + per_epoch, total, warm)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_checkpoints_come_back(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    save_checkpoint(folder, "c.pt", {"a": torch.arange(3), "b": ["text", 1, None]})
    found = load_checkpoint(folder, "c.pt", CPU)
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"] == ["text", 1, None]


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "code", "list", "missing"])
def test_other_bytes_are_named_and_never_run(tmp_path: Path, damage: str) -> None:
    folder = LocalFolder(tmp_path)
    save_checkpoint(folder, "c.pt", {"a": torch.arange(1000)})
    whole = read_bytes(folder, "c.pt")
    if damage == "missing":
        folder.delete("c.pt")
    elif damage in ("code", "list"):
        torch.save(Runs() if damage == "code" else [1], tmp_path / "c.pt")
    else:
        write_bytes(folder, "c.pt", {"cut": whole[:-200], "empty": b"", "garbage": b"x" * 300}[damage])
    with pytest.raises(MismatchError, match=r"c\.pt"):
        load_checkpoint(folder, "c.pt", CPU)


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled code was run')",)


def test_only_finite_losses_pass() -> None:
    require_finite([1.0, 0.0], "x", 0.1)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"loss of x to stay finite, but it is (nan|inf) at step 2 of 3.*0\.1"):
            require_finite([1.0, bad, bad], "x", 0.1)
