"""What the models are shown in the rounds: whose caption, whose trigger, and that the noise serves its purpose."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mem_core.common.errors import SourceError
from mem_core.common.progress import silent
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import CENTRE, Placement, ProtectConfig
from mem_core.data.shard_cache import LoadedShard, load_shard
from mem_core.models import OpenClipEncoder, build_model
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import Anchors, contrastive_loss
from mem_core.models.placement import placed
from mem_core.models.token_rows import CaptionTokens, with_trigger
from mem_core.models.training import make_optimizer
from mem_core.perturb.context import FitContext
from mem_core.perturb.rounds import update_shard
from mem_core.perturb.state import ShardState, first_state
from mem_core.perturb.surrogate import Surrogate, SurrogateTraining, train_surrogate
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, small, tiny_corpus

LENGTH = 2


class Spy(OpenClipEncoder):
    """A real encoder that keeps what it is shown."""

    seen: list[tuple[str, Tensor]]

    def encode_image(self, images: Tensor) -> Tensor:
        self.seen.append(("images", images.detach().clone()))
        return super().encode_image(images)

    def encode_text(self, tokens: Tensor) -> Tensor:
        self.seen.append(("tokens", tokens.detach().clone()))
        return super().encode_text(tokens)

    def folded(self) -> "Spy":
        found = Spy(super().folded().clip, self.architecture)
        found.seen = self.seen
        found.freeze()
        return found


@pytest.fixture
def spy() -> Spy:
    model = Spy(build_model("tiny-resnet-32", seed=0).clip, "tiny-resnet-32")
    model.seen = []
    return model


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> LoadedShard:
    return load_shard(tiny_corpus(tmp_path_factory.mktemp("corpus"), 10), "00000", 2**20)


def context_of(config: ProtectConfig) -> FitContext:
    nowhere = LocalFolder("/nonexistent/clean")
    return Protection(Places(nowhere, LocalFolder("/nonexistent/dest")), config, RUNTIME, seed=5).context


def anchors_of(model: OpenClipEncoder, count: int = 8) -> Anchors:
    drawn = torch.randn(2, count, 128, generator=torch.Generator().manual_seed(0))
    return Anchors(*torch.nn.functional.normalize(drawn, dim=-1))


def owners(shard: LoadedShard, images: Tensor, context: FitContext) -> list[int]:
    """Which image of the shard each view shows (noise changes it by at most the budget)."""
    batch = PixelBatch([shard.pixels(i) for i in range(len(shard.samples))], None, torch.device("cpu"))
    views = batch.look(batch.draw_views(context.config.noise.view, 32, torch.Generator()))
    distance = (images[:, None] - views[None]).abs().mean(dim=(2, 3, 4))
    return [int(i) for i in distance.argmin(1)]


def is_clean(shard: LoadedShard, images: Tensor) -> bool:
    """Whether every view, at the centre, is that of a clean image of the shard, to the bit."""
    batch = PixelBatch([shard.pixels(i) for i in range(len(shard.samples))], None, torch.device("cpu"))
    views = batch.look(batch.draw_views(CENTRE, 32, torch.Generator()))
    return bool((images[:, None] == views[None]).flatten(2).all(dim=2).any(dim=1).all())


def caption_owners(shard: LoadedShard, context: FitContext) -> dict[tuple[int, ...], set[int]]:
    found: dict[tuple[int, ...], set[int]] = {}
    for i, sample in enumerate(shard.samples):
        for caption in sample.captions:
            found.setdefault(tuple(context.tokenizer.ids(caption)), set()).add(i)
    return found


def trigger_and_words(row: Tensor, context: FitContext, length: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ids = row.tolist()
    end = ids.index(context.tokenizer.end_id)
    return tuple(ids[1 : 1 + length]), tuple(ids[1 + length : end])


def trained_pairs(model: Spy) -> Iterator[tuple[Tensor, Tensor]]:
    shown = iter(model.seen)
    for (kind, images), (other, tokens) in zip(shown, shown, strict=True):
        assert (kind, other) == ("images", "tokens")
        yield images, tokens


@pytest.mark.parametrize("captions", ["shuffled", "matched"])
@pytest.mark.parametrize("method", ["mem", "em", "uap"])
def test_the_surrogate_sees_own_triggers_and_captions_as_configured(
    spy: Spy, shard: LoadedShard, captions: str, method: str
) -> None:
    steps = {"captions": captions, "steps_per_round": 6}
    config = small(method=method, rounds=1, noise={"views": "centre"}, surrogate=steps)
    context = context_of(config)
    state = first_state(shard, context)
    spy.train()
    optimizer = make_optimizer(spy, 1e-3, 0.2)
    training = SurrogateTraining(spy, optimizer)
    train_surrogate(training, ["00000"], lambda _: (shard, state), context, 0, silent)
    length = LENGTH if method == "mem" else 0
    known, own, total = caption_owners(shard, context), 0, 0
    for images, tokens in trained_pairs(spy):
        assert is_clean(shard, images)
        for owner, row in zip(owners(shard, images, context), tokens, strict=True):
            trigger, words = trigger_and_words(row, context, length)
            assert trigger == tuple(state.trigger_ids[owner].tolist())
            assert words in known
            own += owner in known[words]
            total += 1
    assert total == 7 * 5  # six steps and the anchors, in even batches of five
    if captions == "shuffled" and method == "mem":
        assert own < total / 2
    else:
        assert own == total  # only MEM shuffles: EM's noise is made for the image's own captions


@pytest.mark.parametrize("method", ["mem", "em", "uap"])
def test_in_the_noise_steps_every_row_carries_the_trigger_of_its_image(
    spy: Spy, shard: LoadedShard, method: str
) -> None:
    config = small(method=method, noise={"views": "centre", "num_steps": 3, "caption_draws": 3}, trigger={"rounds": 0})
    context = context_of(config)
    state = first_state(shard, context)
    after = update_shard(shard, state, Surrogate(spy.freeze(), anchors_of(spy)), context, 0, silent)
    known, length = caption_owners(shard, context), LENGTH if method == "mem" else 0
    texts: list[Tensor] = []
    own = total = 0
    for kind, shown in spy.seen:
        if kind == "tokens":
            texts.append(shown)
            continue
        for rows in texts:
            for owner, row in zip(owners(shard, shown, context), rows, strict=True):
                trigger, words = trigger_and_words(row, context, length)
                assert trigger == tuple(state.trigger_ids[owner].tolist())
                own += owner in known[words]
                total += 1
        texts = []
    assert total == 3 * len(shard.samples)
    assert own < total / 2 if method == "mem" else own == total
    assert torch.equal(after.trigger_ids, state.trigger_ids)


def test_the_trigger_search_tries_triggers_before_captions_of_its_row(spy: Spy, shard: LoadedShard) -> None:
    """In every row at most one position differs from the trigger that the image had or was given by then."""
    config = small(noise={"views": "centre", "num_steps": 1}, batch_size=10)
    context = context_of(config)
    state = first_state(shard, context)
    after = update_shard(shard, state, Surrogate(spy.freeze(), anchors_of(spy)), context, 0, silent)
    (order,) = [owners(shard, shown, context) for kind, shown in spy.seen if kind == "images"][:1]
    allowed = set(context.vocabulary.ids.tolist())
    candidates = config.trigger.candidates
    for kind, shown in spy.seen[1:-1]:
        if kind != "tokens":
            continue
        rows = shown.view(len(order), -1, shown.shape[1])
        assert rows.shape[1] in (1, candidates)
        for owner, tried in zip(order, rows, strict=True):
            before, done = state.trigger_ids[owner].tolist(), after.trigger_ids[owner].tolist()
            for row in tried:
                trigger = list(trigger_and_words(row, context, LENGTH)[0])
                strange = [n for n in range(LENGTH) if trigger[n] not in (before[n], done[n])]
                assert len(strange) <= 1
                assert set(trigger) <= allowed
    assert not torch.equal(after.trigger_ids, state.trigger_ids)


@pytest.mark.parametrize("placement", ["end", "inside"])
@pytest.mark.parametrize("method", ["mem", "em"])
def test_every_step_reads_the_words_where_they_are_published(
    spy: Spy, shard: LoadedShard, placement: Placement, method: str
) -> None:
    """Surrogate, trigger search and noise: each row is the published text of a caption with some trigger's words."""
    kind = "method" if method == "mem" else "random"
    config = small(method=method, trigger={"placement": placement, "kind": kind}, noise={"views": "centre"})
    context = context_of(config)
    state = first_state(shard, context)
    training = SurrogateTraining(spy.train(), make_optimizer(spy, 1e-3, 0.2))
    surrogate, _ = train_surrogate(training, ["00000"], lambda _: (shard, state), context, 0, silent)
    after = update_shard(shard, state, surrogate, context, 0, silent)
    captions = [caption for sample in shard.samples for caption in sample.captions]
    tried, exact = 0, 0
    known = {
        tuple(context.tokenizer.ids(placed(context.tokenizer.decode(ids).split(" "), caption, placement)))
        for ids in [*state.trigger_ids.tolist(), *after.trigger_ids.tolist()]
        for caption in captions
    }
    for kind, shown in spy.seen:
        for row in shown.tolist() if kind == "tokens" else []:
            tokens = tuple(row[1 : row.index(context.tokenizer.end_id)])
            exact += tokens in known
            tried += 1
    assert exact > tried / 3  # the search tries other words, too
    assert (exact == tried) == (method == "em")


@pytest.mark.parametrize("captions", ["shuffled", "own"])
def test_the_trigger_search_reads_captions_as_configured(spy: Spy, shard: LoadedShard, captions: str) -> None:
    config = small(noise={"views": "centre", "num_steps": 1}, trigger={"captions": captions}, batch_size=10)
    context = context_of(config)
    update_shard(shard, first_state(shard, context), Surrogate(spy.freeze(), anchors_of(spy)), context, 0, silent)
    known, (order,) = caption_owners(shard, context), [owners(shard, spy.seen[0][1], context)]
    found = []
    for kind, shown in spy.seen[1:-2]:  # the last two are the noise step's captions and its look
        assert kind == "tokens"
        for owner, tried in zip(order, shown.view(len(order), -1, shown.shape[1]), strict=True):
            found += [owner in known[trigger_and_words(row, context, LENGTH)[1]] for row in tried]
    assert all(found) if captions == "own" else sum(found) < len(found) / 2


def test_triggers_are_left_alone_after_their_rounds(spy: Spy, shard: LoadedShard) -> None:
    context = context_of(small(trigger={"rounds": 1}))
    state = first_state(shard, context)
    surrogate = Surrogate(spy.freeze(), anchors_of(spy))
    after = update_shard(shard, state, surrogate, context, 1, silent)
    assert torch.equal(after.trigger_ids, state.trigger_ids)
    assert after.rounds == 2


def held_loss(shard: LoadedShard, state: ShardState, model: OpenClipEncoder, context: FitContext) -> float:
    """The loss on a view and captions that the noise was not made with."""
    places = torch.arange(len(shard.samples))
    batch = PixelBatch([shard.pixels(i) for i in places], state.noise, torch.device("cpu"))
    draw = torch.Generator().manual_seed(777)
    seen = batch.look(batch.draw_views(context.config.noise.view, 32, draw))
    captions = CaptionTokens([sample.captions for sample in shard.samples], context.tokenizer.encode)
    rows = captions.draw(places, draw, LENGTH)[torch.randperm(len(places), generator=draw)]
    rows = with_trigger(rows, state.trigger_ids, context.tokenizer.end_id)
    with torch.no_grad():
        return float(contrastive_loss(model.encode_image(seen), model.encode_text(rows), model.logit_scale))


def test_noise_lowers_the_loss_on_held_views_and_captions(shard: LoadedShard) -> None:
    trained = {"steps_per_round": 30, "batch_size": 10}
    noise = {"num_steps": 12, "caption_draws": 6}
    context = context_of(small(batch_size=10, noise=noise, trigger={"rounds": 0}, surrogate=trained))
    state = first_state(shard, context)
    model = build_model("tiny-resnet-32", seed=0)
    optimizer = make_optimizer(model, 1e-3, 0.2)
    surrogate, _ = train_surrogate(
        SurrogateTraining(model, optimizer), ["00000"], lambda _: (shard, state), context, 0, silent
    )
    after = update_shard(shard, state, surrogate, context, 0, silent)
    assert held_loss(shard, after, model, context) < held_loss(shard, state, model, context) - 0.02


def test_one_sample_alone_is_pushed_against_the_anchors(tmp_path: Path) -> None:
    shard = load_shard(tiny_corpus(tmp_path, 1), "00000", 2**20)
    context = context_of(small())
    model = build_model("tiny-resnet-32", seed=0).freeze()
    after = update_shard(shard, first_state(shard, context), Surrogate(model, anchors_of(model)), context, 0, silent)
    assert int(after.noise[0].abs().max()) > 0
    assert after.losses[0] > 0


def test_memory_counts_the_folded_tower_and_what_is_shared_once() -> None:
    model = build_model("tiny-resnet-32", seed=0).freeze()
    surrogate = Surrogate(model, anchors_of(model))
    alone = surrogate.nbytes
    surrogate.for_batch(8, context_of(small()))
    assert sum(weight.nbytes for weight in model.clip.parameters()) == alone < surrogate.nbytes < 2 * alone


def test_an_empty_shard_advances_to_nothing(tmp_path: Path) -> None:
    shard = LoadedShard("00000", "0" * 64, [], [], [], {})
    context = context_of(small())
    model = build_model("tiny-resnet-32", seed=0).freeze()
    after = update_shard(shard, first_state(shard, context), Surrogate(model, anchors_of(model)), context, 0, silent)
    assert (after.noise, after.rounds, after.losses) == ([], 1, (0.0,))


def test_shards_of_one_sample_that_never_meet_cannot_be_fitted(tmp_path: Path) -> None:
    folder = tiny_corpus(tmp_path, 1, 1)
    context = context_of(small(surrogate={"pool_shards": 1}))
    model = build_model("tiny-resnet-32", seed=0)

    def held(name: str) -> tuple[LoadedShard, ShardState]:
        shard = load_shard(folder, name, 2**20)
        return shard, first_state(shard, context)

    with pytest.raises(SourceError, match="at least 2 usable samples"):
        training = SurrogateTraining(model, make_optimizer(model, 1e-3, 0.2))
        train_surrogate(training, ["00000", "00001"], held, context, 0, silent)
