"""Leaving zeros out of a resize changes nothing but the order of its sums."""

import pytest
import torch

from mem_core.models.views import Resize, boxes, view_of

CPU = torch.device("cpu")
SIZES = [(128, 64), (32, 32), (160, 64), (64, 96), (100, 64), (256, 64), (500, 64), (33, 17), (3, 70)]


@pytest.mark.parametrize(("length", "side"), SIZES)
@pytest.mark.parametrize("scale", [(0.9, 1.0), (0.05, 0.1)])
def test_bands_equal_the_whole_product(length: int, side: int, scale: tuple[float, float]) -> None:
    draw = torch.Generator().manual_seed(length)
    view = view_of(boxes("random-crop", length, length, 6, scale, draw), length, length, side, CPU)
    pixels = torch.rand(6, 3, length, length, generator=draw)
    gradient = torch.randn(6, 3, side, side, generator=draw)
    rows, columns = view.rows.matrix.unsqueeze(1).double(), view.columns.matrix.unsqueeze(1).double()
    seen = (rows @ pixels.double() @ columns.mT).float()
    slope = (rows.mT @ gradient.double() @ columns).float()
    torch.testing.assert_close(view.look(pixels), seen, rtol=1e-6, atol=2e-6)
    torch.testing.assert_close(view.pull_back(gradient), slope, rtol=1e-6, atol=2e-6 * float(slope.abs().max()))


@pytest.mark.parametrize(("length", "side"), SIZES)
def test_bands_cover_every_row_and_leave_out_only_zeros(length: int, side: int) -> None:
    draw = torch.Generator().manual_seed(1)
    view = view_of(boxes("random-crop", length, length, 3, (0.05, 1.0), draw), length, length, side, CPU)
    for resize in (view.rows, view.columns):
        whole = resize.matrix
        mirrored = Resize(whole.mT, resize.transposed_bands, resize.bands)
        for matrix in (resize, mirrored):
            kept = torch.zeros_like(matrix.matrix)
            for band in matrix.bands:
                kept[:, band.rows, band.columns] = matrix.matrix[:, band.rows, band.columns]
            assert torch.equal(kept, matrix.matrix)
            ends = [0, *(band.rows.stop for band in matrix.bands)]
            assert [band.rows.start for band in matrix.bands] == ends[:-1]
            assert ends[-1] == matrix.matrix.shape[1]
