"""How well a text reads, by a masked language model (Salazar et al. 2020, "Masked Language Model Scoring")."""

import math
from collections.abc import Sequence

import torch

from mem_core.perturb.language.masked import MaskedLanguageModel


def pseudo_perplexity(model: MaskedLanguageModel, texts: Sequence[str]) -> list[float]:
    """For each text exp of minus the mean log-probability of its tokens, each masked alone: low reads well.

    Of longer texts as many tokens as the model looks at.
    Raises ValueError for a text without tokens.
    """
    rows = [ids[: model.room] for ids in model.ids(texts)]
    if not all(rows):
        raise ValueError(f"expected words to score, got {texts[[bool(row) for row in rows].index(False)]!r}")
    masked = [[*row[:place], model.mask_id, *row[place + 1 :]] for row in rows for place in range(len(row))]
    places = [place for row in rows for place in range(len(row))]
    right = torch.tensor([token for row in rows for token in row])
    found = model.scores(masked, places).gather(1, right.unsqueeze(1)).squeeze(1)
    return [math.exp(-piece.mean().item()) for piece in found.split([len(row) for row in rows])]
