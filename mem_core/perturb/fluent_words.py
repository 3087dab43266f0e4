"""Fluent trigger words: a masked language model proposes what reads well in the gap, HotFlip's gradient chooses.

Only words that are one whole token for both models are used, so that what the language model proposes is published,
and re-tokenised by CLIP, as the very id that was searched for.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mem_core.common.errors import ConfigError
from mem_core.models import Tokenizer
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

    def propose(self, captions: Sequence[str], triggers: Tensor, position: int, *, settled: bool) -> Tensor:
        """The ids that read best at one position of each trigger: int64 [B, W, P], best first.

        captions: B texts; triggers: int64 [B, W, L]. Where the later positions are not `settled` they are gaps too.
        Words that stand elsewhere in the trigger are not proposed again.
        """
        size, width, length = triggers.shape
        gaps = set(range(position, length)) if not settled else {position}
        texts = [row for row in self._model.ids(captions) for _ in range(width)]
        rows, taken = [], torch.zeros(size * width, len(self._ours), dtype=torch.bool)
        for number, (trigger, text) in enumerate(zip(triggers.flatten(0, 1).tolist(), texts, strict=True)):
            words = [self._of_ours[word] for word in trigger]
            rows.append([self._model.mask_id if p in gaps else theirs for p, (_, theirs) in enumerate(words)] + text)
            taken[number, [place for p, (place, _) in enumerate(words) if p not in gaps]] = True
        scores = self._model.scores(rows, [position] * len(rows))[:, self._theirs].masked_fill(taken, -torch.inf)
        return self._ours[scores.topk(self._count, dim=1).indices].view(size, width, -1)
