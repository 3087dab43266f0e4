"""Token rows of captions with a trigger in front, equal to tokenising `trigger + " " + caption`."""

import torch
from torch import Tensor


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
