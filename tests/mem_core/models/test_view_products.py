"""Leaving zeros out of a resize, and adding only what counts, changes nothing but the order of its sums."""

from dataclasses import replace

import pytest
import torch

from mem_core.models.views import View, boxes, view_of

CPU = torch.device("cpu")
SIZES = [(128, 64), (32, 32), (160, 64), (64, 96), (100, 64), (256, 64), (500, 64), (33, 17), (3, 70), (1, 5), (5, 1)]


@pytest.mark.parametrize(("length", "side"), SIZES)
@pytest.mark.parametrize("scale", [(0.9, 1.0), (0.05, 0.1), (0.05, 1.0)])
def test_sums_of_neighbours_equal_the_whole_product(length: int, side: int, scale: tuple[float, float]) -> None:
    draw = torch.Generator().manual_seed(length)
    view = view_of(boxes("random-crop", length, length, 6, scale, draw), length, length, side, CPU)
    pixels = torch.rand(6, length, 3, length, generator=draw)
    gradient = torch.randn(6, 3, side, side, generator=draw)
    rows, columns = (_matrix(part.places, part.weights, length).unsqueeze(1) for part in (view.rows, view.columns))
    seen = (rows @ pixels.transpose(1, 2).double() @ columns.mT).float()
    slope = (rows.mT @ gradient.double() @ columns).float().transpose(1, 2)
    on_a_gpu = View(replace(view.rows, dense=True), replace(view.columns, dense=True))
    for way in (view, on_a_gpu):
        torch.testing.assert_close(way.look(pixels), seen, rtol=1e-6, atol=2e-6)
        torch.testing.assert_close(way.pull_back(gradient), slope, rtol=1e-6, atol=2e-6 * float(slope.abs().max()))


def _matrix(places: torch.Tensor, weights: torch.Tensor, length: int) -> torch.Tensor:
    none = torch.zeros(*places.shape[:2], length, dtype=torch.float64)
    return none.scatter_(2, places, weights.double())
