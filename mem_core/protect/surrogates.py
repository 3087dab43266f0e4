"""The surrogates of a fit: one file a round, and the optimiser between two of them."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, read_bytes, write_bytes
from mem_core.config import SurrogateConfig
from mem_core.models import OpenClipEncoder, load_model, save_model, start_model
from mem_core.models.loss import Anchors
from mem_core.models.training import load_checkpoint, make_optimizer, save_checkpoint
from mem_core.perturb.context import FitContext
from mem_core.perturb.surrogate import Surrogate, SurrogateTraining
from mem_core.protect.protector import ONE_PATTERN, surrogate_name
from mem_core.victim.weights import load_victim

_PART = "surrogate-part.pt"
_KEPT, _KEPT_BYTES = 2, 1 << 30  # surrogates in memory, more of small ones: every replay goes through all rounds


def save_surrogate(folder: Folder, round_number: int, surrogate: Surrogate) -> None:
    """Writes one round's surrogate, whole or not at all."""
    beside = {"anchors.images": surrogate.anchors.images, "anchors.texts": surrogate.anchors.texts}
    write_bytes(folder, surrogate_name(round_number), save_model(surrogate.model, **beside))


def load_surrogate(
    folder: Folder, round_number: int, architecture: str, device: torch.device, sha256: str | None = None
) -> Surrogate:
    """One round's surrogate, frozen. Raises `MismatchError` if it is damaged or not the one that was fitted."""
    name = surrogate_name(round_number)
    if not folder.exists(name):
        raise MismatchError(f"expected the surrogate of round {round_number + 1} in {folder.uri}/{name}: it is gone")
    data = read_bytes(folder, name)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise MismatchError(f"expected the surrogate with sha256 {sha256} in {folder.uri}/{name}, got other bytes")
    model, beside = load_model(architecture, io.BytesIO(data), f"{folder.uri}/{name}")
    missing = {"anchors.images", "anchors.texts"} - set(beside)
    if missing:
        raise MismatchError(f"expected {sorted(missing)} in {folder.uri}/{name}: it is no surrogate of memshield")
    if "pattern" in beside:
        raise MismatchError(f"expected a surrogate and nothing else in {folder.uri}/{name}, but {ONE_PATTERN}")
    moved: dict[str, Tensor] = {key: value.to(device) for key, value in beside.items()}
    anchors = Anchors(moved["anchors.images"], moved["anchors.texts"])
    return Surrogate(model.to(device).freeze(), anchors)


class Surrogates:
    """The surrogates of a fit, frozen; the last ones used stay loaded, for all threads of the process."""

    def __init__(
        self, folder: Folder, architecture: str, device: torch.device, hashes: Mapping[str, str] | None = None
    ) -> None:
        """hashes: file name -> sha256 of a finished protector, to be checked; None while it is being fitted."""
        self._folder, self._architecture, self._device, self._hashes = folder, architecture, device, hashes
        self._held: OrderedDict[int, Surrogate] = OrderedDict()
        self._lock = threading.Lock()

    def hold(self, number: int, surrogate: Surrogate) -> None:
        """Keeps a round's surrogate as it was trained here: its file need not be read."""
        with self._lock:
            self._keep(number, surrogate)

    def of_round(self, number: int) -> Surrogate:
        """The surrogate of a round. Raises `MismatchError` if its file is damaged or not the one of the protector."""
        with self._lock:
            if number not in self._held:
                sha256 = self._hashes[surrogate_name(number)] if self._hashes is not None else None
                found = load_surrogate(self._folder, number, self._architecture, self._device, sha256)
                self._keep(number, found)
            return self._held[number]

    def _keep(self, number: int, surrogate: Surrogate) -> None:
        self._held[number] = surrogate
        while len(self._held) > _KEPT and sum(held.nbytes for held in self._held.values()) > _KEPT_BYTES:
            self._held.popitem(last=False)


def save_training(folder: Folder, round_number: int, optimizer: torch.optim.Optimizer) -> None:
    """The optimiser's state after a round, so that the next round goes on from it in any process."""
    save_checkpoint(folder, f"optimizer-{round_number:03d}.pt", optimizer.state_dict())


def save_part(folder: Folder, training: SurrogateTraining) -> None:
    """What the next part of the first round goes on from: there is no surrogate before it to begin with."""
    states = {"model": training.model.clip.state_dict(), "optimizer": training.optimizer.state_dict()}
    save_checkpoint(folder, _PART, {"parts": training.parts, **states})


def resume_training(
    protector: Folder, work: Folder, round_number: int, context: FitContext, given: Folder | None = None
) -> SurrogateTraining:
    """Model and optimiser as they were after the round before; for the first round new ones, or as its last part left
    them.

    given: the folder of a victim, whose model the first round begins with.
    Raises `MismatchError` if what the round before left is lost or damaged.
    """
    settings, device = context.config.surrogate, context.device
    if round_number == 0:
        if given is None:
            model = start_model(settings.architecture, context.seed, settings.pretrained).to(device)
        else:
            model = load_victim(given)[0].to(device).requires_grad_(True)
        fresh = SurrogateTraining(model, _optimizer(model, settings))
        return _after_parts(work, fresh, device) if context.config.surrogate_parts > 1 else fresh
    before = load_surrogate(protector, round_number - 1, settings.architecture, device)
    model = before.model.requires_grad_(True)
    optimizer = _optimizer(model, settings)
    name = f"optimizer-{round_number - 1:03d}.pt"
    try:
        optimizer.load_state_dict(load_checkpoint(work, name, device))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise MismatchError(f"expected the optimizer of {settings.architecture} in {work.uri}/{name}") from error
    return SurrogateTraining(model, optimizer)


def _after_parts(work: Folder, fresh: SurrogateTraining, device: torch.device) -> SurrogateTraining:
    if not work.exists(_PART):
        return fresh
    kept = load_checkpoint(work, _PART, device)
    fresh.model.clip.load_state_dict(kept["model"])
    fresh.optimizer.load_state_dict(kept["optimizer"])
    return replace(fresh, parts=kept["parts"])


def _optimizer(model: OpenClipEncoder, settings: SurrogateConfig) -> torch.optim.Optimizer:
    return make_optimizer(model, settings.learning_rate, settings.weight_decay, settings.optimizer)


def fitted_rounds(folder: Folder, most: int) -> int:
    """How many rounds have left their surrogate."""
    done = 0
    while done < most and folder.exists(surrogate_name(done)):
        done += 1
    return done


def surrogate_hashes(folder: Folder, rounds: int) -> dict[str, str]:
    """The sha256 of each round's surrogate file, by name."""
    names = [surrogate_name(number) for number in range(rounds)]
    return {name: hashlib.sha256(read_bytes(folder, name)).hexdigest() for name in names}
