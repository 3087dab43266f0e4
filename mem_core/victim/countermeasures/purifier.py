"""A small network that learns to take the noise of this tool out of pictures, from pairs of protected and clean."""

from collections.abc import Sequence

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from mem_core.common.errors import ConfigError, MismatchError
from mem_core.common.progress import Progress, silent
from mem_core.common.rng import derived_seed, generator
from mem_core.data.images import Pixels

_CROP = 48  # pixels of a side; a multiple of 2, as the network halves once
_BATCH = 16
_RATE = 5e-3
_LEVEL = 1 / 255  # errors are counted in levels: in pixel units their gradients drown in the optimiser's epsilon


class Purifier(nn.Module):
    """A U-Net of one level that predicts the noise: about 24,000 parameters at width 16."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.into = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.down = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 2, stride=2),
        )
        self.out = nn.Sequential(nn.ReLU(), nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU())
        self.noise = nn.Conv2d(width, 3, 3, padding=1)
        for value in self.noise.parameters():
            nn.init.zeros_(value)  # starts as doing nothing

    def forward(self, images: Tensor) -> Tensor:
        """float [B, 3, H, W] in 0..1 -> the same without the noise it sees; H and W even."""
        fine = self.into(images - 0.5)
        noise: Tensor = self.noise(self.out(torch.cat([fine, self.down(fine)], dim=1)))
        return images - noise

    @torch.no_grad()
    def clean(self, pixels: Pixels) -> Pixels:
        """uint8 [H, W, 3] -> uint8 [H, W, 3]."""
        height, width = pixels.shape[:2]
        image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
        even = nn.functional.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
        found = self(even)[0, :, :height, :width].mul(255).round().clamp(0, 255)
        return np.asarray(found.to(torch.uint8).permute(1, 2, 0).contiguous().numpy(), dtype=np.uint8)


def fit_purifier(
    pairs: Sequence[tuple[Pixels, Pixels]], seed: int, *, steps: int = 600, progress: Progress = silent
) -> Purifier:
    """Learns from (protected, clean) pictures of equal sizes, on crops, by the squared error.

    Raises `ConfigError` without pictures.
    """
    if not pairs:
        raise ConfigError("expected protected pictures and their clean originals to learn from, got none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "purifier"))
        model = Purifier()
    draw = generator(seed, "purifier crops")
    optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for step in range(steps):
        protected, clean = _crops(pairs, draw)
        loss = ((model(protected) - clean) / _LEVEL).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            progress(step + 1, steps, f"error {loss.sqrt().item():.2f} levels")
    return model.eval().requires_grad_(False)


def _crops(pairs: Sequence[tuple[Pixels, Pixels]], draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of equal crops, float [B, 3, S, S] in 0..1; small pictures are repeated at their edges."""
    chosen = torch.randint(len(pairs), (_BATCH,), generator=draw).tolist()
    places = torch.rand(_BATCH, 2, generator=draw).tolist()
    cut = [
        torch.stack([_square(side, top, left) for side in pairs[index]])
        for index, (top, left) in zip(chosen, places, strict=True)
    ]
    both = torch.stack(cut, dim=1).float() / 255
    return both[0], both[1]


def _square(pixels: Pixels, top: float, left: float) -> Tensor:
    height, width = pixels.shape[:2]
    padding = ((0, max(0, _CROP - height)), (0, max(0, _CROP - width)), (0, 0))
    image = np.pad(pixels, padding, mode="edge")
    row, column = (int(at * (length - _CROP + 1)) for at, length in zip((top, left), image.shape[:2], strict=True))
    return torch.from_numpy(np.ascontiguousarray(image[row : row + _CROP, column : column + _CROP])).permute(2, 0, 1)


def save_purifier(model: Purifier) -> bytes:
    """The weights as safetensors."""
    return save({name: value.contiguous() for name, value in model.state_dict().items()})


def load_purifier(data: bytes, name: str) -> Purifier:
    """Raises `MismatchError` for anything that `save_purifier` did not write."""
    model = Purifier()
    try:
        model.load_state_dict(load(data))
    except (SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise MismatchError(f"expected the weights of a purifier in {name}, which cannot be used: {reason}") from error
    return model.eval().requires_grad_(False)
