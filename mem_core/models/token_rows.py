"""Token rows of captions: of many samples, of one drawn caption each, and with trigger words at their places."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

EncodeCaptions = Callable[[Sequence[str]], Tensor]
PlaceWords = Callable[[str], Sequence[int]]
"""A caption -> behind how many of its tokens each trigger word stands, from left to right."""


class CaptionTokens:
    """Token rows of all captions of some samples, encoded once; place: where trigger words go, None: in front."""

    def __init__(
        self, captions: Sequence[Sequence[str]], encode: EncodeCaptions, place: PlaceWords | None = None
    ) -> None:
        every = [caption for own in captions for caption in own]
        self._rows = encode(every)
        self._places = None if place is None or not every else torch.tensor([list(place(one)) for one in every])
        counts = torch.tensor([len(own) for own in captions])
        self._counts, self._first = counts, counts.cumsum(0) - counts

    def draw(self, samples: Tensor, draw: torch.Generator, room: int = 0) -> Tensor:
        """int64 [B] sample places -> one caption of each, drawn evenly, as token rows [B, T].

        The padding that all of them end with is left out, but for `room` tokens: encoding it costs as much as words.
        """
        return self.draw_placed(samples, draw, room)[0]

    def draw_placed(self, samples: Tensor, draw: torch.Generator, room: int = 0) -> tuple[Tensor, Tensor | None]:
        """The same with the places of trigger words in each, int64 [B, L], None where all stand in front."""
        picked = (torch.rand(len(samples), generator=draw) * self._counts[samples]).long()
        chosen = self._first[samples] + picked
        return without_padding(self._rows[chosen], room), None if self._places is None else self._places[chosen]


def without_padding(rows: Tensor, room: int = 0) -> Tensor:
    """Token rows [B, T] without the last columns, as far as they are zero in every row, but for `room` of them."""
    used = rows.ne(0).any(dim=0).nonzero()
    return rows[:, : int(used[-1]) + 1 + room if len(used) else room]


def batches(count: int, size: int, draw: torch.Generator) -> Iterator[Tensor]:
    """A random order of 0..count-1 in even pieces of at most `size`: no piece is a small rest."""
    if count:
        yield from torch.randperm(count, generator=draw).tensor_split(-(-count // size))


def with_trigger(captions: Tensor, trigger_ids: Tensor, end_id: int, places: Tensor | None = None) -> Tensor:
    """int64 captions [B, T] and trigger_ids [B, L] -> [B, T]: start, trigger, caption, end.

    places: int64 [B, L], behind how many tokens of the caption each word goes; None: all in front.
    Captions too long for the context lose their last tokens and end with the end token, as CLIP's tokenizer
    does it. With L = 0 the captions come back as they are.
    """
    length = captions.shape[1]
    if places is None:
        rows = torch.cat([captions[:, :1], trigger_ids, captions[:, 1:]], dim=1)[:, :length]
    else:
        columns = word_columns(places, length)
        none = torch.zeros(len(captions), length + trigger_ids.shape[1], dtype=torch.int64, device=captions.device)
        is_word = none.bool().scatter(1, columns, True)
        before = is_word.cumsum(1)
        rows = captions.gather(1, (torch.arange(none.shape[1], device=captions.device) - before).clamp(0, length - 1))
        rows = torch.where(is_word, none.scatter(1, columns, trigger_ids), rows)[:, :length]
    cut = ~(rows == end_id).any(dim=1)
    return torch.cat([rows[:, :-1], torch.where(cut, end_id, rows[:, -1]).unsqueeze(1)], dim=1)


def word_columns(places: Tensor, length: int) -> Tensor:
    """Places [B, L] -> the columns that the words have in rows of `length` tokens, int64 [B, L].

    Words beyond the rows of a model with a shorter context than CLIP's are the last that it reads.
    """
    count = places.shape[1]
    return 1 + places.clamp(max=length - 2 - count) + torch.arange(count, device=places.device)
