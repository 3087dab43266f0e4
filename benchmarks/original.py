"""The original's generation code as it is: a literal port to measure against, with nothing of ours made faster.

The authors' repository is thinwayliu/Multimodal-Unlearnable-Examples; `operation.txt` makes MEM with `src.poison`. Its
work is in `poison` and `PerturbationTool.min_min_attack` (`src/poison_train.py`), `get_best_candidates` and
`get_loss_per_candidate` (`src/utils.py`) and `hotflip_attack` (`src/attacks.py`). Facts are carried over, no code.

As there:
- one float32 noise tensor for all pairs; token rows of the full context; float32; default memory layout; AdamW as a
  plain loop over parameters; captions tokenised once, with room for the trigger ids, which are written into the rows;
- surrogate: training mode, all parameters learn; a scaled loss. Gradients are cleared once a round, not once a step,
  but what is left of a step's is divided by the scale, 65,536, before the next are added;
- HotFlip: evaluation mode, nothing frozen, so its one backward pass goes through both towers to every parameter, the
  dense gradient of the embedding table among them; that one gradient serves all positions; the image's own captions;
  the 16 candidates of a position come out of the whole vocabulary, special ids included; at each position the loss of
  what is there, then of every candidate, each by a forward pass of both towers, images included, without a graph;
  candidate k is taken for the whole batch or for none; one more forward pass at the end, for the log;
- PGD: everything frozen, so the text tower keeps no graph and the backward pass goes to the pixels alone; every step
  draws a new order of the captions, encodes them anew and runs both towers; the noise is kept as it is after the bound
  of epsilon, not cut to the range of pixels, which is done wherever it is added;
- 20 rounds of 200 surrogate steps, HotFlip in the first 5.

Otherwise than there, so that the same machine and data can serve both: images stay in memory, decoded (there a loader
decodes and resizes them anew for every batch, in 8 processes); pixels from 0 to 1, normalised inside of the model, not
before; the last short batch of a pass is not dropped, and the surrogate's batches are drawn one by one; the logit scale
is cut at 100, as the model here does it; features are multiplied in float32 while the surrogate trains (there in half
precision); what is too long for the context ends with the end token; the products of HotFlip's gradient with all
embeddings are made where the model is, not on the CPU.
"""

from functools import cached_property

import torch
from torch import Tensor

from mem_core.models import OpenClipEncoder
from mem_core.models.loss import contrastive_loss
from mem_core.models.token_rows import with_trigger

EPSILON, STEP, STEPS, CANDIDATES = 8 / 255, 1 / 255, 8, 16
_NO_DECAY = ("bn", "ln", "bias", "logit_scale")


def written(rows: Tensor, triggers: Tensor) -> Tensor:
    """Token rows int64 [B, T] with the trigger ids [B, L] in the places that are kept for them."""
    copy = rows.clone()
    copy[:, 1 : 1 + triggers.shape[1]] = triggers
    return copy


class LiteralPort:
    """The original's loop. images: float32 [N, 3, S, S] in 0..1; captions: int64 [N, T]; triggers: int64 [N, L].

    noise: float32 [N, 3, S, S] in pixel units.
    """

    def __init__(self, model: OpenClipEncoder, images: Tensor, captions: Tensor, triggers: Tensor, end_id: int) -> None:
        self.model, self.images, self.triggers = model, images, triggers.clone()
        self.rows = with_trigger(captions, triggers, end_id)
        self.noise = torch.zeros_like(images)

    def loss(self, images: Tensor, rows: Tensor) -> Tensor:
        """Both towers, then the contrastive loss."""
        features, texts = self.model.encode_image(images), self.model.encode_text(rows)
        return contrastive_loss(features, texts, self.model.logit_scale)

    def train(self, steps: int, size: int, draw: torch.Generator) -> None:
        """The surrogate's part of a round, on true captions."""
        self._optimizer.zero_grad()
        self.model.requires_grad_(True).train()
        for _ in range(steps):
            places = torch.randperm(len(self.rows), generator=draw)[:size]
            loss = self.loss(self._protected(places), written(self.rows[places], self.triggers[places]))
            self._scaler.scale(loss).backward()
            self._scaler.step(self._optimizer)
            self._scaler.update()

    def update(self, size: int, draw: torch.Generator, *, words: bool) -> None:
        """The rest of a round: one pass over all pairs. words: whether HotFlip runs in it."""
        for places in torch.randperm(len(self.rows), generator=draw).split(size):
            if words:
                self.hotflip(places)
            self.pgd(places, draw)

    def hotflip(self, places: Tensor) -> None:
        """Front to back, by one gradient at the start."""
        self.model.requires_grad_(True).eval()
        images, rows, best = self._protected(places), self.rows[places], self.triggers[places]
        proposed = self._proposals(images, written(rows, best))
        for position in range(best.shape[1]):
            tried = [best, *(self._replaced(best, position, proposed[:, position, k]) for k in range(CANDIDATES))]
            with torch.no_grad():
                losses = [self.loss(images, written(rows, triggers)) for triggers in tried]
            best = tried[int(torch.stack(losses).argmin())]
        self.triggers[places] = best
        with torch.no_grad():
            self.loss(images, written(rows, best))

    def pgd(self, places: Tensor, draw: torch.Generator) -> None:
        """Signed steps down the loss."""
        self.model.requires_grad_(False).eval()
        clean, noise = self.images[places], self.noise[places]
        for _ in range(STEPS):
            shuffled = self.rows[places][torch.randperm(len(places), generator=draw)]
            noise = self.pgd_step(clean, noise, written(shuffled, self.triggers[places]))
        self.noise[places] = noise

    def pgd_step(self, clean: Tensor, noise: Tensor, rows: Tensor) -> Tensor:
        """clean, noise: float32 [B, 3, S, S] -> the noise after one step."""
        seen = (clean + noise).clamp(0, 1).requires_grad_()
        self.model.zero_grad()
        self.loss(seen, rows).backward()
        assert seen.grad is not None
        return (seen.detach() - STEP * seen.grad.sign() - clean).clamp(-EPSILON, EPSILON)

    def _proposals(self, images: Tensor, rows: Tensor) -> Tensor:
        """The ids of the lowest first-order loss at each position, int64 [B, L, CANDIDATES]."""
        kept: list[Tensor] = []

        def keep(module: torch.nn.Module, given: object, embedded: Tensor) -> None:
            embedded.register_hook(kept.append)

        hook = self.model.word_layer.register_forward_hook(keep)
        self.model.zero_grad()
        loss = self.loss(images, rows)
        hook.remove()
        loss.backward()
        slope = kept[0][:, 1 : 1 + self.triggers.shape[1]]
        return (slope @ self.model.token_embeddings.T).topk(CANDIDATES, largest=False).indices

    def _protected(self, places: Tensor) -> Tensor:
        return (self.images[places] + self.noise[places]).clamp(0, 1)

    @staticmethod
    def _replaced(triggers: Tensor, position: int, ids: Tensor) -> Tensor:
        changed = triggers.clone()
        changed[:, position] = ids
        return changed

    @cached_property
    def _scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.images.device.type)

    @cached_property
    def _optimizer(self) -> torch.optim.AdamW:
        named = list(self.model.clip.named_parameters())
        plain = [value for name, value in named if any(part in name for part in _NO_DECAY)]
        decayed = [value for name, value in named if not any(part in name for part in _NO_DECAY)]
        groups = [{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": 0.2}]
        return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.999), eps=1e-8)
