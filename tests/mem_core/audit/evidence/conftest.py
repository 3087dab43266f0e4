"""A small corpus published with twins of random trigger words, its key, and a model that was trained on it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from mem_core.audit.evidence.commitment import Commitment, make_commitment
from mem_core.audit.evidence.encoding import ModelEncoder
from mem_core.audit.evidence.outcome import EvidencePlan
from mem_core.audit.evidence.pairs import DrawnPair, committed_pairs
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.protect.coins import TwinKey
from mem_core.protect.key_place import KeyPlace
from mem_core.protect.protection import Places, Protection, TwinsWanted
from mem_core.protect.twins import begin_twins, require_twins_record
from mem_core.victim.config import VictimConfig
from mem_core.victim.training import VictimData, train_victim
from mem_core.victim.weights import load_victim
from tests.support.corpora import RUNTIME, SEED, protect, small, tiny_corpus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VICTIM = VictimConfig(
    architecture="tiny-resnet-32", epochs=12, batch_size=16, learning_rate=2e-3, warmup_steps=5, evaluate_every=0
)


class Published(NamedTuple):
    """A corpus with twins, and the key that threw its coins."""

    dest: LocalFolder
    key: TwinKey

    def committed(self, **plan: object) -> Commitment:
        return make_commitment(self.dest, EvidencePlan.model_validate(plan), self.key, NOW)

    def pairs(self, commitment: Commitment) -> list[DrawnPair]:
        return list(committed_pairs(self.dest, commitment, self.key))


Publish = Callable[[Path], Published]


def published_at(clean: LocalFolder, place: Path, like: LocalFolder | None = None) -> Published:
    """Published under a new key. like: a corpus whose two versions of each sample these are, too."""
    keys = KeyPlace(folder=str(place / "keys"))
    wanted, dest = TwinsWanted(share=1.0, key=keys), LocalFolder(place / "protected")
    if like is not None:
        begun, known = begin_twins(dest, 1.0, "random-trigger", keys).record, require_twins_record(like)
        record = begun.model_copy(update={"draws": known.draws})
        write_bytes(dest.below("twins"), "twins.json", record.model_dump_json().encode())
    protection = Protection(Places(clean, dest), small(method="random-trigger"), RUNTIME, seed=SEED, twins=wanted)
    protect(protection)
    assert protection.twins is not None
    return Published(dest, protection.twins.key)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    """60 pictures in three shards."""
    return tiny_corpus(tmp_path_factory.mktemp("plain"), 24, 24, 12)


@pytest.fixture(scope="session")
def twins(plain: LocalFolder, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Not to be changed."""
    return published_at(plain, tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModelEncoder]:
    """Trains a small model on a corpus."""

    def trained(corpus: LocalFolder, seed: int = 0) -> ModelEncoder:
        out = LocalFolder(tmp_path_factory.mktemp("victim"))
        train_victim(VictimData(corpus), out, VICTIM, RUNTIME, seed=seed)
        return ModelEncoder(load_victim(out)[0], RUNTIME)

    return trained


@pytest.fixture(scope="session")
def guilty(twins: Published, train: Callable[..., ModelEncoder]) -> ModelEncoder:
    """Trained on what was published."""
    return train(twins.dest)


@pytest.fixture(scope="session")
def innocent(plain: LocalFolder, train: Callable[..., ModelEncoder]) -> ModelEncoder:
    """Trained on the clean pictures."""
    return train(plain)
