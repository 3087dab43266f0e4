"""Trigger search: HotFlip proposes replacements, a beam search from front to back keeps the best (paper, eq. 6).

HotFlip (Ebrahimi et al. 2018): the loss after replacing the token with embedding e by the one with e' is, to
first order, loss + g . (e' - e), with g the gradient on e. The ids with the lowest g . e' are tried for real.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mem_core.config import TriggerConfig
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.loss import Anchors
from mem_core.models.token_rows import with_trigger, word_columns

Propose = Callable[[Tensor, int], Tensor]
"""Triggers int64 [B, W, L] and a position -> the ids to choose from there, int64 [B, W, P]."""

_MAX_ROWS = 4096  # token rows encoded at once


@dataclass(frozen=True)
class WordSearch:
    """Where replacements come from. vocabulary: allowed ids int64 [V]; end_id: of the end token.

    With `propose` the candidates are its, and the word that was there stays only if it is one of them, so that no
    position keeps a word that reads badly; `keeps`: it may stay, as it was proposed itself in a round before.
    """

    vocabulary: Tensor
    end_id: int
    propose: Propose | None = None
    keeps: bool = False


@dataclass(frozen=True)
class _Texts:
    """Captions int64 [B, T] with the places of their trigger words, [B, L] or None for the front."""

    captions: Tensor
    places: Tensor | None
    end_id: int

    def rows(self, triggers: Tensor) -> Tensor:
        """Triggers [B, K, L] -> token rows [B * K, T], those of one caption beside each other."""
        count = triggers.shape[1]
        places = None if self.places is None else self.places.repeat_interleave(count, 0)
        return with_trigger(self.captions.repeat_interleave(count, 0), triggers.flatten(0, 1), self.end_id, places)

    def words(self, values: Tensor, count: int) -> Tensor:
        """Of values for each token [B, T, E] those of the trigger words, [B, L, E]."""
        if self.places is None:
            return values[:, 1 : 1 + count]
        columns = word_columns(self.places, self.captions.shape[1])
        return values.gather(1, columns.unsqueeze(-1).expand(-1, -1, values.shape[2]))


def update_triggers(
    trigger_ids: Tensor,
    captions: Tensor,
    images: Tensor,
    model: FrozenEncoder,
    config: TriggerConfig,
    search: WordSearch,
    places: Tensor | None = None,
) -> Tensor:
    """One pass over the words, front to back; returns better trigger ids, int64 [B, L].

    trigger_ids: int64 [B, L]; captions: token rows int64 [B, T], row i is what trigger i is put into, at its `places`
    int64 [B, L] (None: in front); images: features float32 [B, D].
    `scoring: sample` scores each replacement by the batch loss with that one sample changed; `batch` (paper)
    takes candidate k of every sample at once and scores the whole batch. `gradient: once` (paper) chooses the
    candidates of all positions by the gradient at the triggers as they come in.
    """
    beams = trigger_ids.unsqueeze(1)
    texts = _Texts(captions, places, search.end_id)
    embeddings = model.encoder.token_embeddings
    vocabulary = embeddings[search.vocabulary if search.propose is None else []]
    gradient, now = _gradients(beams, texts, images, model)
    for position in range(trigger_ids.shape[1]):
        if position and config.gradient == "each-position":
            gradient, now = _gradients(beams, texts, images, model)
        slope = gradient[:, :, position].expand(-1, beams.shape[1], -1)
        current = beams[:, :, position] if search.propose is None or search.keeps else None
        if search.propose is None:
            proposed = _candidates(slope, current, vocabulary, search.vocabulary, config.candidates)
        else:
            allowed = search.propose(beams, position)
            proposed = _candidates(slope, None, embeddings[allowed], allowed, config.candidates)
        tried = _replaced(beams, position, proposed)
        features = _encode_triggers(tried, texts, model)
        if current is not None:  # first, so that it stays where nothing is better
            tried, features = torch.cat([beams, tried], dim=1), torch.cat([now, features], dim=1)
        losses = _losses(features, now[:, 0], images, model, config)
        order = losses.sort(dim=1, stable=True).indices[:, : config.beam]  # the first named wins a tie
        beams, now = _taken(tried, order), _taken(features, order)
    return beams[:, 0]


def replacement_losses(
    candidates: Tensor, texts: Tensor, images: Tensor, scale: Tensor, anchors: Anchors | None
) -> Tensor:
    """Batch loss, float32 [B, K], if only the text of sample i is replaced by its candidate k.

    candidates: [B, K, D], texts (now): [B, D], images: [B, D]. Exact: replacing text i changes the
    text-to-image loss of i, and column i in the image-to-text softmax of every image.
    """
    size = len(images)
    all_texts = texts if anchors is None else torch.cat([texts, anchors.texts])
    all_images = images if anchors is None else torch.cat([images, anchors.images])
    logits = (scale * images @ all_texts.T).double()
    others = _logsumexp_without(logits)[:, :size]  # [j, i]: image j against all texts but text i
    offered = torch.einsum("ikd,jd->ijk", candidates, images).double() * scale
    rows = torch.logaddexp(others.T.unsqueeze(2), offered)  # [i, j, k]: denominator of image j
    own_now = logits.diagonal()
    own = torch.einsum("ikd,id->ik", candidates, images).double() * scale
    image_to_text = rows.sum(1) - (own_now.sum() - own_now).unsqueeze(1) - own
    ahead = torch.einsum("ikd,jd->ikj", candidates, all_images).double() * scale
    changed = ahead.logsumexp(2) - own
    backward = (scale * texts @ all_images.T).double().logsumexp(1) - own_now
    text_to_image = changed + (backward.sum() - backward).unsqueeze(1)
    return ((image_to_text + text_to_image) / (2 * size)).float()


def _logsumexp_without(logits: Tensor) -> Tensor:
    """[B, N] -> [B, N]: log-sum-exp of each row with one column left out, for every column."""
    total = logits.logsumexp(1, keepdim=True)
    share = (logits - total).exp().clamp(max=1 - 1e-12)
    return total + torch.log1p(-share)


def _losses(candidates: Tensor, texts: Tensor, images: Tensor, model: FrozenEncoder, config: TriggerConfig) -> Tensor:
    """What each candidate is scored by, [B, K]: the batch loss if it alone, or every sample's k-th row, is taken."""
    if config.scoring == "sample":
        return replacement_losses(candidates, texts, images, model.encoder.logit_scale, model.anchors)
    losses = [model.loss(images, candidates[:, k]) for k in range(candidates.shape[1])]
    return torch.stack(losses).expand(len(images), -1)


def _gradients(beams: Tensor, texts: _Texts, images: Tensor, model: FrozenEncoder) -> tuple[Tensor, Tensor]:
    """Gradient of the batch loss on the embedding of every word [B, W, L, E], and the text features [B, W, D]."""
    gradients, features = [], []
    for beam in beams.unbind(1):
        gradient, encoded = model.embedding_gradient(images, texts.rows(beam.unsqueeze(1)))
        gradients.append(texts.words(gradient, beam.shape[1]).float())
        features.append(encoded)
    return torch.stack(gradients, 1), torch.stack(features, 1)


def _candidates(gradient: Tensor, current: Tensor | None, offered: Tensor, allowed: Tensor, count: int) -> Tensor:
    """The `count` allowed ids with the lowest first-order loss, current ones left out: int64 [B, W, C].

    gradient: [B, W, E]; current: [B, W] or None; allowed: int64 [V], the same for all, or [B, W, P]; offered: their
    embeddings.
    """
    change = gradient @ offered.T if allowed.ndim == 1 else (offered @ gradient.unsqueeze(-1)).squeeze(-1)
    if current is not None:
        change = change.masked_fill(allowed == current.unsqueeze(-1), float("inf"))
    most = allowed.shape[-1] - (current is not None)
    chosen = change.topk(min(count, most), dim=-1, largest=False).indices
    return allowed[chosen] if allowed.ndim == 1 else allowed.gather(-1, chosen)


def _replaced(beams: Tensor, position: int, proposed: Tensor) -> Tensor:
    """beams [B, W, L] with one position replaced by each proposal [B, W, C] -> [B, W * C, L]."""
    tried = beams.unsqueeze(2).repeat(1, 1, proposed.shape[2], 1)
    tried[..., position] = proposed
    return tried.flatten(1, 2)


def _taken(rows: Tensor, order: Tensor) -> Tensor:
    """Of each sample's rows [B, K, X] those at its places [B, W], in their order: [B, W, X]."""
    return rows.gather(1, order.unsqueeze(-1).expand(-1, -1, rows.shape[2]))


def _encode_triggers(triggers: Tensor, texts: _Texts, model: FrozenEncoder) -> Tensor:
    """Features [B, K, D] of each caption with each of its triggers [B, K, L], no gradient."""
    features = torch.cat([model.encode_texts(piece) for piece in texts.rows(triggers).split(_MAX_ROWS)])
    return features.view(*triggers.shape[:2], -1)
