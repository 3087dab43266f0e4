"""Token rows of captions: of many samples, of one drawn caption each, and with trigger words prepended."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

EncodeCaptions = Callable[[Sequence[str]], Tensor]


class CaptionTokens:
    """Token rows of all captions of some samples, encoded once."""

    def __init__(self, captions: Sequence[Sequence[str]], encode: EncodeCaptions) -> None:
        self._rows = encode([caption for own in captions for caption in own])
        counts = torch.tensor([len(own) for own in captions])
        self._counts, self._first = counts, counts.cumsum(0) - counts

    def draw(self, samples: Tensor, draw: torch.Generator, room: int = 0) -> Tensor:
        """int64 [B] sample places -> one caption of each, drawn evenly, as token rows [B, T].

        The padding that all of them end with is left out, but for `room` tokens: encoding it costs as much as words.
        """
        picked = (torch.rand(len(samples), generator=draw) * self._counts[samples]).long()
        return without_padding(self._rows[self._first[samples] + picked], room)


def without_padding(rows: Tensor, room: int = 0) -> Tensor:
    """Token rows [B, T] without the last columns, as far as they are zero in every row, but for `room` of them."""
    used = rows.ne(0).any(dim=0).nonzero()
    return rows[:, : int(used[-1]) + 1 + room if len(used) else room]


def batches(count: int, size: int, draw: torch.Generator) -> Iterator[Tensor]:
    """A random order of 0..count-1 in even pieces of at most `size`: no piece is a small rest."""
    if count:
        yield from torch.randperm(count, generator=draw).tensor_split(-(-count // size))


def with_trigger(captions: Tensor, trigger_ids: Tensor, end_id: int) -> Tensor:
    """int64 captions [B, T] and trigger_ids [B, L] -> [B, T]: start, trigger, caption, end.

    Captions too long for the context lose their last tokens and end with the end token, as CLIP's tokenizer
    does it. With L = 0 the captions come back as they are.
    """
    length = captions.shape[1]
    rows = torch.cat([captions[:, :1], trigger_ids, captions[:, 1:]], dim=1)[:, :length]
    cut = ~(rows == end_id).any(dim=1)
    rows[cut, -1] = end_id
    return rows
