"""The literal port does what the original does: what it freezes, what it computes once, and what again and again."""

from collections import Counter

import pytest
import torch

from benchmarks.original import CANDIDATES, EPSILON, STEP, STEPS, LiteralPort, written
from mem_core.models import build_model, tokenizer_for

PAIRS, LENGTH = 6, 3


class Counted(LiteralPort):
    """Counts the passes of both towers and the backward passes through the embedding table."""

    def __init__(self) -> None:
        model = build_model("pocket-resnet-32", seed=0)
        draw, tokenizer = torch.Generator().manual_seed(0), tokenizer_for(model)
        images = torch.rand(PAIRS, 3, 32, 32, generator=draw)
        captions = tokenizer.encode([f"caption {word}" for word in ("one", "two", "three", "four", "five", "six")])
        triggers = torch.randint(30522, (PAIRS, LENGTH), generator=draw)
        super().__init__(model, images, captions, triggers, tokenizer.end_id)
        self.passes: Counter[str] = Counter()
        self.read: list[torch.Tensor] = []
        model.clip.visual.register_forward_hook(lambda *_: self.passes.update(["images"]))  # type: ignore[union-attr]
        model.word_layer.register_forward_pre_hook(lambda _, given: self._reads(given[0]))

    def _reads(self, rows: torch.Tensor) -> None:
        self.passes.update(["texts"])
        self.read.append(rows.clone())


@pytest.fixture
def port() -> Counted:
    return Counted()


def test_pgd_freezes_everything_and_shuffles_captions_at_every_step(port: Counted) -> None:
    places = torch.arange(PAIRS)
    port.pgd(places, torch.Generator().manual_seed(1))
    assert port.passes == {"images": STEPS, "texts": STEPS}
    assert all(value.grad is None for value in port.model.parameters())
    assert not port.model.training
    assert 0 < float(port.noise.abs().max()) <= EPSILON + 1e-6
    orders = {tuple(rows[:, 1 + LENGTH :].flatten().tolist()) for rows in port.read}
    assert len(orders) > STEPS // 2
    assert all(rows[:, 1 : 1 + LENGTH].equal(port.triggers) for rows in port.read)
    assert float((port.images + port.noise).max()) > 1  # cut where it is added, not where it is kept


def test_a_step_lowers_the_loss_within_its_size(port: Counted) -> None:
    rows = written(port.rows, port.triggers)
    port.model.freeze()
    noise = port.pgd_step(port.images, port.noise, rows)
    assert float(noise.abs().max()) <= STEP + 1e-6
    assert port.loss((port.images + noise).clamp(0, 1), rows) < port.loss(port.images, rows)


def test_hotflip_takes_one_gradient_on_own_captions_and_runs_both_towers_for_every_candidate(port: Counted) -> None:
    places, before = torch.arange(PAIRS), port.triggers.clone()
    rows = written(port.rows, before)
    start = port.loss(port.images, rows).item()
    port.passes.clear()
    port.read.clear()
    port.hotflip(places)
    every = 1 + LENGTH * (1 + CANDIDATES) + 1
    assert port.passes == {"images": every, "texts": every}
    assert all(read[:, 1 + LENGTH :].equal(rows[:, 1 + LENGTH :]) for read in port.read)
    assert all(value.grad is not None for value in port.model.word_layer.parameters())
    assert port.loss(port.images, written(port.rows, port.triggers)).item() <= start
    first = port.read[2 : 2 + CANDIDATES]
    assert all(read[:, 2 : 1 + LENGTH].equal(before[:, 1:]) for read in first)
    taken = [read for read in first if read[:, 1].equal(port.triggers[:, 0])]
    assert taken or port.triggers[:, 0].equal(before[:, 0])  # one candidate for the whole batch, or none


def test_of_the_gradients_of_the_step_before_hardly_anything_is_left(port: Counted) -> None:
    """They are cleared once a round, but the scaler has divided them by its scale when the next ones are added."""

    def gradient(of: Counted, *steps: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(0)
        for number in steps:
            of.train(number, PAIRS // 2, draw)
        found = of.model.word_layer.weight.grad
        assert found is not None
        return found.clone()

    both, first, second = gradient(port, 2), gradient(Counted(), 1), gradient(Counted(), 1, 1)
    assert port.model.training
    torch.testing.assert_close(both, second, rtol=1e-3, atol=float(first.abs().max()) / 2**15)
    only_first = (second == 0) & (first != 0)  # words that the second batch does not have
    assert only_first.any()
    assert both[only_first].equal(first[only_first] / 2**16)
