"""One contrastive training step, shared by surrogate and victim."""

import io
import math
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import OptimizerConfig
from mem_core.models import OpenClipEncoder
from mem_core.models.device import autocast
from mem_core.models.loss import contrastive_loss

_USUAL = OptimizerConfig()
_PLAIN_NAMES = ("bn", "ln", "bias", "logit_scale")  # what does not decay in the original code


def make_optimizer(
    model: OpenClipEncoder, learning_rate: float, weight_decay: float, settings: OptimizerConfig = _USUAL
) -> torch.optim.AdamW:
    """AdamW; no decay on norms, biases and the logit scale, told by their shape or, as in the original, by name."""
    decayed: list[Tensor] = []
    plain: list[Tensor] = []
    for name, value in model.clip.named_parameters():
        decays = (
            not any(part in name for part in _PLAIN_NAMES)
            if settings.decay == "names"
            else value.ndim >= 2 and "logit_scale" not in name
        )
        (decayed if decays else plain).append(value)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=settings.betas, eps=settings.eps, fused=True)


def training_step(
    model: OpenClipEncoder, optimizer: torch.optim.Optimizer, images: Tensor, tokens: Tensor, precision: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """One AdamW step on images float [B, 3, S, S] in 0..1 and their token rows [B, T].

    Returns the loss (scalar) and both towers' features [B, D], detached and still on the device.
    """
    with autocast(images.device, precision):
        image_features, text_features = model.encode_image(images), model.encode_text(tokens)
    loss = contrastive_loss(image_features, text_features, model.logit_scale)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach(), image_features.detach(), text_features.detach()


def set_rate(optimizer: torch.optim.Optimizer, peak: float, step: int, total: int, warm: int) -> None:
    """The learning rate of a step (from 0): linear warm-up to `peak` in `warm` steps, then a cosine to zero.

    The steps beyond `total` of a schedule that runs ahead follow the cosine, upwards again, as in the original.
    """
    falling = 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))
    share = (step + 1) / warm if step < warm else falling
    for group in optimizer.param_groups:
        group["lr"] = share * peak


def require_finite(losses: Sequence[float], model: str, learning_rate: float) -> None:
    """Raises `ConfigError` if training diverged: a model of NaN protects nothing and retrieves nothing."""
    for step, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            raise ConfigError(
                f"expected the loss of {model} to stay finite, but it is {loss} at step {step} of {len(losses)}: "
                f"choose a learning rate below {learning_rate:g}"
            )


def save_checkpoint(folder: Folder, name: str, state: Mapping[str, Any]) -> None:
    """Tensors and plain values, written atomically, and as they come: in memory they would stand a second time."""
    with folder.write(name) as stream:
        try:
            torch.save(dict(state), stream)
        except RuntimeError as error:  # torch misses the end of its archive, and hides why it could not be written
            if error.__context__ is not None:
                raise error.__context__ from None
            raise


def load_checkpoint(folder: Folder, name: str, device: torch.device) -> dict[str, Any]:
    """What `save_checkpoint` wrote; nothing is unpickled but tensors and plain values.

    Raises `MismatchError` if it is lost or damaged.
    """
    try:
        state = torch.load(io.BytesIO(read_bytes(folder, name)), map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise MismatchError(f"expected the training to go on from {folder.uri}/{name}, which is not there") from error
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise MismatchError(f"expected a checkpoint in {folder.uri}/{name}, which is damaged: {reason}") from error
    if not isinstance(state, dict):
        raise MismatchError(f"expected a checkpoint in {folder.uri}/{name}, got a {type(state).__name__}")
    return state


def own_checkpoint(folder: Folder, name: str, identity: str, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint of the training with this `identity`, None if there is none or that of another training.

    Raises `MismatchError` if it is damaged.
    """
    state = load_checkpoint(folder, name, device) if folder.exists(name) else {}
    return state if state.get("identity") == identity else None
