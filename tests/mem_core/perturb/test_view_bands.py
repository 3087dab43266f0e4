"""Leaving zeros out of a resize changes no bit of it: published noise hangs on the last one."""

import pytest
import torch

from mem_core.perturb.views import Resize, boxes, view_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(("length", "side"), [(128, 64), (32, 32), (160, 64), (64, 96), (100, 64), (256, 64)])
@pytest.mark.parametrize("scale", [(0.9, 1.0), (0.05, 0.1)])
def test_bands_equal_the_whole_product_to_the_bit(length: int, side: int, scale: tuple[float, float]) -> None:
    draw = torch.Generator().manual_seed(length)
    view = view_of(boxes("random-crop", length, length, 6, scale, draw), length, length, side, CPU)
    pixels = torch.rand(6, 3, length, length, generator=draw)
    gradient = torch.randn(6, 3, side, side, generator=draw)
    rows, columns = view.rows.matrix.unsqueeze(1), view.columns.matrix.unsqueeze(1)
    assert torch.equal(view.look(pixels), rows @ pixels @ columns.mT)
    assert torch.equal(view.pull_back(gradient), rows.mT @ gradient @ columns)


@pytest.mark.parametrize(("length", "side"), [(128, 64), (32, 96), (192, 32)])
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
            assert matrix.bands[0].rows.start == 0
            assert matrix.bands[-1].rows.stop == matrix.matrix.shape[1]
