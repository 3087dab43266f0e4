"""Fluent trigger words: a masked language model proposes what reads well in the gap, HotFlip's gradient chooses.

Only words that are one whole token for both models are used, so that what the language model proposes is published,
and re-tokenised by CLIP, as the very id that was searched for.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.models import Tokenizer
from mem_core.models.placement import Places
from mem_core.perturb.language.masked import MaskedLanguageModel
from mem_core.perturb.vocabulary import Vocabulary


class FluentWords:
    """The words that both models know, and the proposals for a gap."""

    def __init__(self, model: MaskedLanguageModel, tokenizer: Tokenizer, words: Vocabulary, count: int) -> None:
        """count: proposals for a gap. Raises `ConfigError` if the models have too few words in common."""
        pairs = [(int(i), model.word_id(tokenizer.decode([int(i)]))) for i in words.ids]
        known = [(ours, theirs) for ours, theirs in pairs if theirs is not None]
        if len(known) < 2:
            raise ConfigError(
                f"expected at least 2 trigger words that the language model knows whole, got {len(known)}: train it on "
                f"more captions"
            )
        self._model, self._count = model, min(count, len(known))
        self._ours, self._theirs = (torch.tensor(ids) for ids in zip(*known, strict=True))
        self._of_ours = {ours: (place, theirs) for place, (ours, theirs) in enumerate(known) if theirs is not None}
        self.vocabulary = replace(words, ids=self._ours, language_model=model.sha256)

    def propose(
        self,
        captions: Sequence[str],
        triggers: Tensor,
        position: int,
        *,
        settled: bool,
        places: Sequence[Places | None] | None = None,
    ) -> Tensor:
        """The ids that read best at one position of each trigger: int64 [B, W, P], best first.

        captions: B texts; triggers: int64 [B, W, L]; places: where they stand in each caption, None: in front. Where
        the later positions are not `settled` they are gaps too. Words that stand elsewhere in the trigger are not
        proposed again.
        """
        size, width, length = triggers.shape
        gaps = set(range(position, length)) if not settled else {position}
        found = places or [None] * size
        texts = [row for own in map(self._around, captions, found, [length] * size) for row in [own] * width]
        rows, asked, taken = [], [], torch.zeros(size * width, len(self._ours), dtype=torch.bool)
        for number, (trigger, pieces) in enumerate(zip(triggers.flatten(0, 1).tolist(), texts, strict=True)):
            words = [self._of_ours[word] for word in trigger]
            shown = [self._model.mask_id if p in gaps else theirs for p, (_, theirs) in enumerate(words)]
            asked.append(position + sum(map(len, pieces[: position + 1])))
            rows.append([i for piece, word in zip(pieces, shown, strict=False) for i in (*piece, word)] + pieces[-1])
            taken[number, [place for p, (place, _) in enumerate(words) if p not in gaps]] = True
        scores = self._model.scores(rows, asked)[:, self._theirs].masked_fill(taken, -torch.inf)
        return self._ours[scores.topk(self._count, dim=1).indices].view(size, width, -1)

    def _around(self, caption: str, places: Places | None, length: int) -> list[list[int]]:
        """The language model's tokens before the first trigger word, between each two, and behind the last."""
        edges = [0, *(places.at if places else [0] * length), len(caption)]
        return self._model.ids([caption[start:end] for start, end in pairwise(edges)])
