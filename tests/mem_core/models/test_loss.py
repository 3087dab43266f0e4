"""The loss equals its definition, written out."""

import torch
from torch.nn.functional import normalize

from mem_core.models.loss import Anchors, contrastive_loss, pair_losses


def features(count: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def slow_pair_loss(i: int, images: torch.Tensor, texts: torch.Tensor, scale: float) -> float:
    forward = [(scale * images[i] @ text).exp() for text in texts]
    backward = [(scale * texts[i] @ image).exp() for image in images]
    return float(-(forward[i] / sum(forward)).log() - (backward[i] / sum(backward)).log()) / 2


def test_loss_is_symmetric_cross_entropy() -> None:
    images, texts = features(5, 0), features(5, 1)
    expected = [slow_pair_loss(i, images, texts, 3.0) for i in range(5)]
    found = pair_losses(images, texts, torch.tensor(3.0))
    torch.testing.assert_close(found, torch.tensor(expected))
    torch.testing.assert_close(contrastive_loss(images, texts, torch.tensor(3.0)), found.mean())


def test_anchors_are_negatives_and_no_pairs() -> None:
    images, texts, others = features(7, 0), features(7, 1), slice(2, None)
    anchors = Anchors(images[others], texts[others])
    expected = [slow_pair_loss(i, images, texts, 3.0) for i in range(2)]
    found = pair_losses(images[:2], texts[:2], torch.tensor(3.0), anchors)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_one_pair_alone_still_has_a_gradient_with_anchors() -> None:
    image = features(1, 0).requires_grad_()
    anchors = Anchors(features(3, 2), features(3, 3))
    loss = contrastive_loss(image, features(1, 1), torch.tensor(3.0), anchors)
    (gradient,) = torch.autograd.grad(loss, image)
    assert float(gradient.abs().max()) > 0
