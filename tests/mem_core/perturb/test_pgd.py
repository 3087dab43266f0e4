"""PGD lowers the loss or raises it, stays in the ball, and takes the step of the paper on the published pixels."""

import pytest
import torch

from mem_core.config import CENTRE, NoiseConfig
from mem_core.models import OpenClipEncoder
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import contrastive_loss
from mem_core.perturb.pgd import update_noise

CPU = torch.device("cpu")
SIZES = [(32, 32), (40, 32), (32, 32), (17, 55)]


@pytest.fixture
def clean() -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, h, w), generator=draw, dtype=torch.uint8) for h, w in SIZES]


@pytest.fixture
def texts(encoder: OpenClipEncoder) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(4, 128, generator=torch.Generator().manual_seed(1)), dim=-1)


def zeros(clean: list[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.zeros_like(image, dtype=torch.int8) for image in clean]


def loss_of(batch: PixelBatch, texts: torch.Tensor, encoder: OpenClipEncoder) -> float:
    views = batch.draw_views(CENTRE, 32, torch.Generator())
    with torch.no_grad():
        return float(contrastive_loss(encoder.encode_image(batch.look(views)), texts, encoder.logit_scale))


@pytest.mark.parametrize("uphill", [False, True])
@pytest.mark.parametrize("views", ["centre", "random-crop"])
def test_steps_change_the_loss_as_wanted_within_the_budget(
    encoder: OpenClipEncoder, clean: list[torch.Tensor], texts: torch.Tensor, views: str, uphill: bool
) -> None:
    config = NoiseConfig(epsilon=8 / 255, step_size=2 / 255, num_steps=10, views=views)
    batch = PixelBatch(clean, zeros(clean), CPU)
    before = loss_of(batch, texts, encoder)
    draw = torch.Generator().manual_seed(2)
    update_noise(batch, [texts], FrozenEncoder(encoder), config, draw, uphill=uphill)
    after = loss_of(batch, texts, encoder)
    assert (after - before if uphill else before - after) > 0.003
    for image, noise in zip(clean, batch.noise(), strict=True):
        total = image.to(torch.int16) + noise
        assert noise.shape == image.shape
        assert int(noise.abs().max()) <= 8
        assert int(total.min()) >= 0
        assert int(total.max()) <= 255


@pytest.mark.parametrize("uphill", [False, True])
def test_one_step_follows_the_sign_of_the_gradient_on_published_pixels(
    encoder: OpenClipEncoder, texts: torch.Tensor, uphill: bool
) -> None:
    """The whole step against autograd through an independent resize (torch's own antialiased bicubic)."""
    draw = torch.Generator().manual_seed(5)
    clean = torch.randint(20, 230, (4, 3, 48, 48), generator=draw, dtype=torch.uint8)
    config = NoiseConfig(epsilon=8 / 255, step_size=3 / 255, num_steps=1, views="centre")
    batch = PixelBatch(list(clean), zeros(list(clean)), CPU)
    update_noise(batch, [texts], FrozenEncoder(encoder), config, torch.Generator(), uphill=uphill)
    pixels = (clean.float() / 255).requires_grad_()
    seen = torch.nn.functional.interpolate(pixels, size=32, mode="bicubic", antialias=True)
    loss = contrastive_loss(encoder.encode_image(seen), texts, encoder.logit_scale)
    (gradient,) = torch.autograd.grad(loss, pixels)
    large = gradient.abs() > gradient.abs().median() / 10  # the sign of a near-zero is a matter of rounding
    found = torch.stack(batch.noise()).float()
    assert torch.equal(found[large], (3 if uphill else -3) * gradient.sign()[large])


def test_a_step_changes_the_loss_as_finite_differences_say(
    encoder: OpenClipEncoder, clean: list[torch.Tensor], texts: torch.Tensor
) -> None:
    batch = PixelBatch(clean, zeros(clean), CPU)
    views = batch.draw_views(CENTRE, 32, torch.Generator())
    seen = batch.look(views).requires_grad_()
    loss = contrastive_loss(encoder.encode_image(seen), texts, encoder.logit_scale)
    (gradient,) = torch.autograd.grad(loss, seen)
    step = 0.002 * gradient / gradient.norm()
    with torch.no_grad():
        up, down = (
            contrastive_loss(encoder.encode_image(seen + sign * step), texts, encoder.logit_scale) for sign in (1, -1)
        )
    assert float(up - down) / 0.004 == pytest.approx(float(gradient.norm()), rel=0.05)
