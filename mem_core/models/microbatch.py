"""Micro-batches that fit into the device's memory: one that does not is halved, and the smaller size is kept.

Only a frozen model's work is cut, whose features of an image or a caption depend on nothing else in the batch: the
result is that of the whole batch but for the order of sums, and the batch of the contrastive loss stays as it was.
"""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from mem_core.common.errors import RetryShard

Encode = Callable[[Tensor], Tensor]
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class MicroBatcher:
    """How many rows a device processes at once, found by trying. Threads that share a device share this."""

    def __init__(self) -> None:
        self._size: int | None = None
        self._lock = threading.Lock()

    @property
    def size(self) -> int | None:
        """Rows of a micro-batch; None as long as everything fitted."""
        return self._size

    def encode(self, encode: Encode, rows: Tensor) -> Tensor:
        """`encode(rows)` without a graph."""
        with torch.no_grad():
            return self._fitting(len(rows), lambda size: torch.cat([encode(piece) for piece in rows.split(size)]))

    def descent(self, encode: Encode, seen: Tensor, loss_of: Encode) -> tuple[Tensor, Tensor]:
        """The loss `loss_of(encode(seen))`, a scalar, and its gradient with respect to `seen`.

        Piece by piece: all features without a graph, the loss's gradient on them, then each piece's graph by itself.
        That is one forward pass more, and the memory of one piece.
        """

        def work(size: int) -> tuple[Tensor, Tensor]:
            if size >= len(seen):
                whole = seen.detach().requires_grad_()
                loss = loss_of(encode(whole))
                return loss.detach(), torch.autograd.grad(loss, whole)[0]
            with torch.no_grad():
                features = torch.cat([encode(piece) for piece in seen.split(size)])
            loss = loss_of(features.requires_grad_())
            (slope,) = torch.autograd.grad(loss, features)
            pieces = zip(seen.split(size), slope.split(size), strict=True)
            return loss.detach(), torch.cat([_walked_back(encode, piece, above) for piece, above in pieces])

        return self._fitting(len(seen), work)

    def _fitting(self, rows: int, work: Callable[[int], Result]) -> Result:
        while True:
            size = max(1, min(rows, self._size or rows))
            try:
                return work(size)
            except torch.OutOfMemoryError:
                pass  # outside of the handler nothing holds the tensors of the failed try
            self._halve(size)

    def _halve(self, size: int) -> None:
        if size < 2:
            raise RetryShard("expected the model and a single image to fit into the device's memory, but they do not")
        with self._lock:
            first, self._size = self._size is None, min(self._size or size, size // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if first:
            _log.warning(
                "the device's memory holds less than %d rows at once: going on with half as many, to the same results",
                size,
            )


def _walked_back(encode: Encode, piece: Tensor, above: Tensor) -> Tensor:
    """The gradient with respect to a piece, from that of its features."""
    moving = piece.detach().requires_grad_()
    return torch.autograd.grad(encode(moving), moving, above)[0]
