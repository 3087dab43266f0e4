"""UAP (paper, eq. 3): noise of each image's own, up the loss of a model that learned the clean corpus before."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CENTRE, ProtectConfig
from mem_core.data.shard_cache import load_shard
from mem_core.models import tokenizer_for
from mem_core.models.image_batch import PixelBatch
from mem_core.models.loss import contrastive_loss
from mem_core.perturb.projection import project
from mem_core.perturb.surrogate import Surrogate
from mem_core.protect.protection import Places, Protection
from mem_core.protect.protector import require_protector
from mem_core.protect.surrogates import Surrogates
from tests.support.corpora import RUNTIME, SEED, Cut, contents, protect, small, tiny_corpus

CPU = torch.device("cpu")
BUDGET = {"epsilon": "8/255", "step_size": "2/255", "num_steps": 6, "caption_draws": 3}
STEPS = {"steps_per_round": 20, "batch_size": 12}
CONFIG = small(method="uap", batch_size=12, noise=BUDGET, surrogate=STEPS)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return tiny_corpus(tmp_path_factory.mktemp("clean"), 12, 12)


@pytest.fixture(scope="module")
def made(corpus: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """Not to be changed."""
    return protected(corpus, tmp_path_factory.mktemp("uap"), CONFIG)


def protected(corpus: LocalFolder, place: Path, config: ProtectConfig) -> LocalFolder:
    dest = LocalFolder(place)
    protect(Protection(Places(corpus, dest), config, RUNTIME, seed=SEED))
    return dest


def surrogate_of(dest: LocalFolder) -> Surrogate:
    stored = require_protector(dest.below("protector"))
    return Surrogates(dest.below("protector"), stored.config.surrogate.architecture, CPU).of_round(0)


def pixels_of(folder: LocalFolder, shard: str) -> list[Tensor]:
    loaded = load_shard(folder, shard, 2**20)
    return [loaded.pixels(i) for i in range(len(loaded.samples))]


def loss(images: list[Tensor], corpus: LocalFolder, shard: str, surrogate: Surrogate) -> float:
    """Of images with their own first captions, seen at the centre, which no noise of ours was made for."""
    model = surrogate.model
    batch = PixelBatch(images, None, CPU)
    rows = tokenizer_for(model).encode([sample.captions[0] for sample in load_shard(corpus, shard, 2**20).samples])
    with torch.no_grad():
        seen = model.encode_image(batch.look(batch.draw_views(CENTRE, model.image_size, torch.Generator())))
        return float(contrastive_loss(seen, model.encode_text(rows), model.logit_scale))


@pytest.mark.parametrize("shard", ["00000", "00001"])
def test_it_raises_the_loss_on_the_own_captions_and_random_noise_of_its_size_does_not(
    corpus: LocalFolder, made: LocalFolder, shard: str
) -> None:
    surrogate, clean, moved = surrogate_of(made), pixels_of(corpus, shard), pixels_of(made, shard)
    draw = torch.Generator().manual_seed(1)

    def with_random_signs(image: Tensor, noisy: Tensor) -> Tensor:
        size = (noisy.to(torch.int16) - image).abs()
        signs = torch.randint(0, 2, size.shape, generator=draw, dtype=torch.int16) * 2 - 1
        return (image.to(torch.int16) + project(size * signs, image, 8)).to(torch.uint8)

    before = loss(clean, corpus, shard, surrogate)
    by_chance = loss([with_random_signs(*both) for both in zip(clean, moved, strict=True)], corpus, shard, surrogate)
    after = loss(moved, corpus, shard, surrogate)
    assert after > before + 0.05
    assert after > by_chance + 0.05


def test_each_image_has_noise_of_its_own_within_the_budget(corpus: LocalFolder, made: LocalFolder) -> None:
    noises = [
        noisy.to(torch.int16) - image
        for shard in ("00000", "00001")
        for image, noisy in zip(pixels_of(corpus, shard), pixels_of(made, shard), strict=True)
    ]
    assert all(int(noise.abs().max()) == 8 for noise in noises)
    assert len({noise.numpy().tobytes() for noise in noises}) == len(noises)


def test_it_starts_from_nothing_and_is_made_in_one_round(corpus: LocalFolder, tmp_path: Path) -> None:
    few = small(method="uap", rounds=3, noise={"step_size": "3/255", "num_steps": 2})
    dest = protected(corpus, tmp_path, few)
    stored = require_protector(dest.below("protector"))
    assert (stored.rounds, len(stored.losses)) == (1, 1)
    both = zip(pixels_of(corpus, "00000"), pixels_of(dest, "00000"), strict=True)
    assert {int((noisy.to(torch.int16) - image).abs().max()) for image, noisy in both} == {6}


def test_captions_are_left_alone(corpus: LocalFolder, made: LocalFolder) -> None:
    before, after = (load_shard(folder, "00000", 2**20).samples for folder in (corpus, made))
    assert [sample.captions for sample in before] == [sample.captions for sample in after]


def test_its_surrogate_takes_the_steps_of_all_rounds() -> None:
    assert (CONFIG.fit_rounds, CONFIG.surrogate_parts, CONFIG.surrogate_steps(6)) == (1, 2, 40)
    mem = small(surrogate=STEPS)
    assert (mem.fit_rounds, mem.surrogate_parts, mem.surrogate_steps(6)) == (2, 1, 20)


def test_a_killed_training_of_its_surrogate_goes_on_after_the_last_part(
    corpus: LocalFolder, made: LocalFolder, tmp_path: Path
) -> None:
    dest, told = LocalFolder(tmp_path), list[int]()

    def kill(done: int, total: int, detail: str = "") -> None:
        told.append(done)
        if done == 30:
            raise Cut

    begun = Protection(Places(corpus, dest), CONFIG, RUNTIME, seed=SEED)
    begun.begin()
    with pytest.raises(Cut):
        begun.fit.train_surrogate(0, kill)
    again = Protection(Places(corpus, dest), CONFIG, RUNTIME, seed=SEED)
    again.begin()
    summary = again.fit.train_surrogate(0, lambda done, total, detail="": told.append(done))
    assert told == [10, 20, 30, 30, 40]
    assert summary is not None
    assert summary.steps == 20
    protect(again)
    assert contents(dest) == contents(made)


@pytest.mark.parametrize("damage", [b"", b"not what you think"])
def test_a_damaged_part_is_named(corpus: LocalFolder, tmp_path: Path, damage: bytes) -> None:
    begun = Protection(Places(corpus, LocalFolder(tmp_path)), CONFIG, RUNTIME, seed=SEED)
    begun.begin()
    write_bytes(LocalFolder(tmp_path), "_state/surrogate-part.pt", damage)
    with pytest.raises(MismatchError, match=r"surrogate-part\.pt"):
        begun.fit.train_surrogate(0)
