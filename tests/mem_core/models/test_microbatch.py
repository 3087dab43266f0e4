"""A device that holds fewer rows than the batch: the same results in micro-batches, one warning, an end at one row."""

import logging

import pytest
import torch
from torch import Tensor

from mem_core.common.errors import RetryShard
from mem_core.config import NoiseConfig
from mem_core.models import OpenClipEncoder, build_model
from mem_core.models.device import retry_if_lost
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import contrastive_loss
from mem_core.models.microbatch import MicroBatcher
from mem_core.perturb.pgd import update_noise

CPU = torch.device("cpu")


class SmallDevice(OpenClipEncoder):
    """A real encoder on a device that takes so many rows, fewer where a graph is kept for them."""

    holds, with_graph = 10**9, 10**9

    def encode_image(self, images: Tensor) -> Tensor:
        if len(images) > (self.with_graph if torch.is_grad_enabled() else self.holds):
            raise torch.OutOfMemoryError("tried to allocate")
        return super().encode_image(images)


@pytest.fixture
def encoder() -> SmallDevice:
    return SmallDevice(build_model("tiny-resnet-32", seed=0).clip, "tiny-resnet-32").freeze()  # type: ignore[return-value]


def noise_of(encoder: SmallDevice, micro_batcher: MicroBatcher) -> tuple[Tensor, float]:
    draw = torch.Generator().manual_seed(0)
    clean = torch.randint(0, 256, (11, 3, 40, 40), generator=draw, dtype=torch.uint8)
    texts = torch.nn.functional.normalize(torch.randn(11, 128, generator=draw), dim=-1)
    batch = PixelBatch(list(clean), None, CPU)
    config = NoiseConfig(num_steps=1)
    model = FrozenEncoder(encoder, micro_batcher=micro_batcher)
    loss = update_noise(batch, [texts], model, config, draw)
    return torch.stack(batch.noise()), float(loss)


@pytest.mark.parametrize("limits", [(100, 5), (5, 5), (3, 1)])
def test_noise_is_that_of_the_whole_batch(
    encoder: SmallDevice, limits: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    whole, loss = noise_of(encoder, MicroBatcher())
    encoder.holds, encoder.with_graph = limits
    micro_batcher = MicroBatcher()
    with caplog.at_level(logging.WARNING):
        found, again = noise_of(encoder, micro_batcher)
    assert again == pytest.approx(loss, abs=1e-6)
    assert float((found == whole).float().mean()) > 0.999  # the sign of a gradient of almost nothing may turn
    assert micro_batcher.size is not None
    assert micro_batcher.size <= min(limits)
    assert [record.getMessage() for record in caplog.records] == [
        "the device's memory holds less than 11 rows at once: going on with half as many, to the same results"
    ]
    noise_of(encoder, micro_batcher)
    assert len(caplog.records) == 1


def test_the_gradient_is_that_of_the_whole_batch(encoder: SmallDevice) -> None:
    draw = torch.Generator().manual_seed(1)
    seen = torch.rand(7, 3, 32, 32, generator=draw)
    texts = torch.nn.functional.normalize(torch.randn(7, 128, generator=draw), dim=-1)

    def loss_of(features: Tensor) -> Tensor:
        return contrastive_loss(features, texts, encoder.logit_scale)

    loss, gradient = MicroBatcher().descent(encoder.encode_image, seen, loss_of)
    encoder.with_graph = 2
    micro_batcher = MicroBatcher()
    in_portions = micro_batcher.descent(encoder.encode_image, seen, loss_of)
    assert micro_batcher.size == 1
    torch.testing.assert_close(in_portions, (loss, gradient), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(
        micro_batcher.encode(encoder.encode_image, seen),
        encoder.encode_image(seen[:1]).new_tensor(
            torch.cat([encoder.encode_image(image) for image in seen.split(1)]).tolist()
        ),
    )


def test_a_device_too_small_for_one_image_is_said(encoder: SmallDevice) -> None:
    encoder.holds = 0
    with pytest.raises(RetryShard, match="a single image to fit into the device's memory"):
        MicroBatcher().encode(encoder.encode_image, torch.rand(4, 3, 32, 32))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            torch.OutOfMemoryError("tried to allocate 2 GiB"),
            "shard 00007: expected work that fits .* tried to allocate",
        ),
        (torch.AcceleratorError("CUDA error: lost", 46), "shard 00007: expected the device to stay, but .* CUDA error"),
    ],
)
def test_a_device_that_fails_fails_its_shard(error: Exception, sentence: str) -> None:
    with pytest.raises(RetryShard, match=sentence), retry_if_lost("00007"):
        raise error
