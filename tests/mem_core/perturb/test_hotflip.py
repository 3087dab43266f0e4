"""HotFlip and beam search against brute force on a tiny model: every token tried."""

import itertools

import pytest
import torch
from torch.nn.functional import normalize

from mem_core.config import Placement, TriggerConfig
from mem_core.models import OpenClipEncoder, Tokenizer
from mem_core.models.frozen_encoder import FrozenEncoder
from mem_core.models.loss import Anchors, contrastive_loss
from mem_core.models.placement import placed, places_of
from mem_core.models.token_rows import with_trigger
from mem_core.perturb.hotflip import WordSearch, replacement_losses, update_triggers

CAPTIONS = ["a red square", "two dogs run", "the old man by the sea", "blue stripes", "a child smiles"]
WORDS = torch.tensor([320, 518, 539, 593, 652, 736, 794, 1125, 1237, 1929])


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return normalize(torch.randn(5, 128, generator=torch.Generator().manual_seed(3)), dim=-1)


@pytest.fixture(scope="module")
def anchors() -> Anchors:
    drawn = torch.randn(2, 3, 128, generator=torch.Generator().manual_seed(4))
    return Anchors(*normalize(drawn, dim=-1))


def batch_loss(
    encoder: OpenClipEncoder,
    tokenizer: Tokenizer,
    triggers: torch.Tensor,
    images: torch.Tensor,
    anchors: Anchors | None,
) -> float:
    rows = with_trigger(tokenizer.encode(CAPTIONS), triggers, tokenizer.end_id)
    with torch.no_grad():
        return float(contrastive_loss(images, encoder.encode_text(rows), encoder.logit_scale, anchors))


def run(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, start: torch.Tensor, images: torch.Tensor, config: TriggerConfig
) -> torch.Tensor:
    return update_triggers(
        start,
        tokenizer.encode(CAPTIONS),
        images,
        FrozenEncoder(encoder),
        config,
        WordSearch(WORDS, tokenizer.end_id),
    )


@pytest.mark.parametrize("with_anchors", [False, True])
def test_replacement_losses_are_exact(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor, anchors: Anchors, with_anchors: bool
) -> None:
    others = anchors if with_anchors else None
    texts = normalize(torch.randn(5, 128, generator=torch.Generator().manual_seed(5)), dim=-1)
    candidates = normalize(torch.randn(5, 4, 128, generator=torch.Generator().manual_seed(6)), dim=-1)
    scale = torch.tensor(20.0)
    found = replacement_losses(candidates, texts, images, scale, others)
    for i, k in itertools.product(range(5), range(4)):
        changed = texts.clone()
        changed[i] = candidates[i, k]
        torch.testing.assert_close(found[i, k], contrastive_loss(images, changed, scale, others), rtol=1e-5, atol=1e-6)


def test_all_candidates_and_per_sample_scores_find_the_best_single_word(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor
) -> None:
    start = WORDS[torch.tensor([[0], [1], [2], [3], [4]])]
    found = run(encoder, tokenizer, start, images, TriggerConfig(length=1, candidates=len(WORDS)))
    for i in range(5):
        tried = {}
        for word in WORDS.tolist():
            changed = start.clone()
            changed[i] = word
            tried[word] = batch_loss(encoder, tokenizer, changed, images, None)
        assert tried[int(found[i])] == pytest.approx(min(tried.values()), abs=1e-5)


@pytest.mark.parametrize("placement", ["end", "inside"])
@pytest.mark.parametrize("gradient", ["each-position", "once"])
def test_elsewhere_the_best_words_are_found_as_well(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor, placement: Placement, gradient: str
) -> None:
    """Every word is tried in the published text itself; without all of them, the gradient's own position counts."""
    start = WORDS[torch.tensor([[0], [1], [2], [3], [4]])]
    places = torch.tensor([places_of(caption, 1, placement).tokens for caption in CAPTIONS])
    rows, search = tokenizer.encode(CAPTIONS), WordSearch(WORDS, tokenizer.end_id)

    def loss(ids: torch.Tensor) -> float:
        words = [tokenizer.decode(row).split(" ") for row in ids.tolist()]
        texts = [placed(own, caption, placement) for own, caption in zip(words, CAPTIONS, strict=True)]
        with torch.no_grad():
            return float(contrastive_loss(images, encoder.encode_text(tokenizer.encode(texts)), encoder.logit_scale))

    config = TriggerConfig(length=1, candidates=len(WORDS), gradient=gradient)
    found = update_triggers(start, rows, images, FrozenEncoder(encoder), config, search, places)
    for i in range(5):
        tried = {}
        for word in WORDS.tolist():
            changed = start.clone()
            changed[i] = word
            tried[word] = loss(changed)
        assert tried[int(found[i])] == pytest.approx(min(tried.values()), abs=1e-5)
    slope, _ = FrozenEncoder(encoder).embedding_gradient(images, with_trigger(rows, start, tokenizer.end_id, places))
    at = slope[torch.arange(5), 1 + places[:, 0]] @ encoder.token_embeddings[WORDS].T
    first = WORDS[at.masked_fill(start == WORDS, torch.inf).argmin(dim=1)]
    one = TriggerConfig(length=1, candidates=1, gradient=gradient)
    chosen = update_triggers(start, rows, images, FrozenEncoder(encoder), one, search, places)
    assert all(int(word) in (int(best), int(old)) for word, best, old in zip(chosen, first, start, strict=True))


def test_batch_scoring_never_raises_the_batch_loss(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor
) -> None:
    start = WORDS[torch.arange(15).remainder(10).reshape(5, 3)]
    for beam in (1, 3):
        config = TriggerConfig(length=3, candidates=4, beam=beam, scoring="batch")
        found = run(encoder, tokenizer, start, images, config)
        before, after = (batch_loss(encoder, tokenizer, ids, images, None) for ids in (start, found))
        assert after <= before + 1e-6


class Counted(FrozenEncoder):
    """Counts the gradients it is asked for."""

    def embedding_gradient(self, images: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        counts.append(len(rows))
        return super().embedding_gradient(images, rows)


counts: list[int] = []


@pytest.mark.parametrize("scoring", ["sample", "batch"])
@pytest.mark.parametrize("beam", [1, 2])
def test_with_one_gradient_every_position_is_ranked_by_that_of_the_triggers_as_they_came(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor, scoring: str, beam: int
) -> None:
    """The candidates at the last position are those of the start, not of what the first positions became."""
    start = WORDS[torch.arange(15).remainder(10).reshape(5, 3)]
    rows = tokenizer.encode(CAPTIONS)
    gradient, _ = FrozenEncoder(encoder).embedding_gradient(images, with_trigger(rows, start, tokenizer.end_id))
    change = gradient[:, 3] @ encoder.token_embeddings[WORDS].T
    expected = WORDS[change.masked_fill(start[:, 2:] == WORDS, torch.inf).topk(2, largest=False).indices]
    counts.clear()
    config = TriggerConfig(length=3, candidates=2, gradient="once", scoring=scoring, beam=beam)
    search = WordSearch(WORDS, tokenizer.end_id)
    found = update_triggers(start, rows, images, Counted(encoder), config, search)
    assert counts == [5]
    for row, kept, offered in zip(found, start, expected, strict=True):
        assert int(row[2]) in (int(kept[2]), *offered.tolist())
    before, after = (batch_loss(encoder, tokenizer, ids, images, None) for ids in (start, found))
    if scoring == "batch":
        assert after <= before + 1e-6


def test_for_one_word_there_is_one_gradient_either_way(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor
) -> None:
    start = WORDS[torch.tensor([[0], [1], [2], [3], [4]])]
    once, each = (TriggerConfig(length=1, candidates=3, gradient=way) for way in ("once", "each-position"))
    assert torch.equal(*(run(encoder, tokenizer, start, images, config) for config in (once, each)))


def test_proposed_words_replace_what_was_there_unless_it_may_stay(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor
) -> None:
    """In the paper's scoring a whole batch changes at once: proposals that all raise its loss are not taken."""
    every = TriggerConfig(length=1, candidates=len(WORDS), scoring="batch")
    best = WORDS[torch.tensor([[0], [1], [2], [3], [4]])]
    for _ in range(20):
        best = run(encoder, tokenizer, best, images, every)

    def propose(beams: torch.Tensor, position: int) -> torch.Tensor:
        return WORDS[5:8].expand(*beams.shape[:2], -1)

    config = TriggerConfig(length=1, candidates=3, scoring="batch")
    forced, kept = (
        update_triggers(
            best,
            tokenizer.encode(CAPTIONS),
            images,
            FrozenEncoder(encoder),
            config,
            WordSearch(WORDS, tokenizer.end_id, propose, keeps),
        )
        for keeps in (False, True)
    )
    assert torch.isin(forced, WORDS[5:8]).all()
    losses = [batch_loss(encoder, tokenizer, ids, images, None) for ids in (best, kept, forced)]
    assert losses[1] <= min(losses[0], losses[2]) + 1e-6


def test_a_wide_beam_with_all_candidates_is_exhaustive(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor
) -> None:
    """Beam as wide as the vocabulary and all candidates: every pair of words is tried for a sample alone."""
    words = WORDS[:4]
    rows, alone = tokenizer.encode(CAPTIONS[:1]), images[:1]
    others = Anchors(images[1:], images[1:].roll(1, 0))
    found = update_triggers(
        words[:2].unsqueeze(0),
        rows,
        alone,
        FrozenEncoder(encoder, anchors=others),
        TriggerConfig(length=2, candidates=4, beam=4),
        WordSearch(words, tokenizer.end_id),
    )
    losses = {}
    for pair in itertools.product(words.tolist(), repeat=2):
        with torch.no_grad():
            texts = encoder.encode_text(with_trigger(rows, torch.tensor([pair]), tokenizer.end_id))
        losses[pair] = float(contrastive_loss(alone, texts, encoder.logit_scale, others))
    assert losses[tuple(found[0].tolist())] == pytest.approx(min(losses.values()), abs=1e-5)


def test_the_first_order_loss_is_that_of_finite_differences(
    encoder: OpenClipEncoder, tokenizer: Tokenizer, images: torch.Tensor
) -> None:
    """The gradient at a trigger position predicts what a small move of its embedding does."""
    rows = with_trigger(tokenizer.encode(CAPTIONS), WORDS[:5].unsqueeze(1), tokenizer.end_id)
    texts, embeddings = encoder.encode_text_tracked(rows)
    loss = contrastive_loss(images, texts, encoder.logit_scale)
    (gradient,) = torch.autograd.grad(loss, embeddings)
    token, step = int(rows[2, 1]), 1e-2
    direction = normalize(gradient[2, 1], dim=0)
    weight = encoder.clip.token_embedding.weight
    kept = weight[token].clone()
    with torch.no_grad():
        weight[token] += step * direction
        moved = contrastive_loss(images, encoder.encode_text(rows), encoder.logit_scale)
        weight[token] -= 2 * step * direction
        back = contrastive_loss(images, encoder.encode_text(rows), encoder.logit_scale)
        weight[token] = kept
    # the token stands in row 2 alone, so the whole change comes from there
    assert int((rows == token).sum()) == 1
    slope = (moved - back) / (2 * step)
    assert float(slope) == pytest.approx(float(gradient[2, 1].norm()), rel=0.05)
