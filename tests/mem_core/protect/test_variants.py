"""Noise that lasts without its trigger, as config: published within the budget, and replayed to the same bytes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import ProtectConfig, parse_config
from mem_core.data.shard_cache import load_shard
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from tests.support.corpora import RUNTIME, protect, published, small, tiny_corpus

VARIANTS: dict[str, dict[str, Any]] = {
    "mem that also aims at own captions": {"noise": {"own_captions": 0.5, "triggerless": 1.0}},
    "em behind random words": {"method": "em", "trigger": {"kind": "random"}, "noise": {"triggerless": 0.5}},
    "noise up the loss of a surrogate that learned before": {"method": "uap"},
    "a codebook": {"method": "codebook", "noise": {"topics": 3}},
    "a codebook of waves alone": {"method": "codebook", "trigger": {"kind": "none"}},
    "a codebook behind random words": {"method": "codebook", "trigger": {"kind": "random"}},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return tiny_corpus(tmp_path_factory.mktemp("clean"), 7, 2)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_verifies_and_its_replay_gives_the_same_bytes(
    corpus: LocalFolder, tmp_path: Path, changes: dict[str, Any]
) -> None:
    config, dest = small(**changes), LocalFolder(tmp_path / "rounds")
    protect(Protection(Places(corpus, dest), config, RUNTIME, seed=3))
    assert verify_corpus(corpus, dest, tokenize=Tokenizer(24).encode).problems == ()
    replay = config.model_copy(update={"strategy": "replay"})
    kept = dest.below("protector")
    again = Protection(Places(corpus, LocalFolder(tmp_path / "replay"), protector=kept), replay, RUNTIME, seed=3)
    for shard in reversed(again.shards):
        again.publish(shard)
    assert published(LocalFolder(tmp_path / "replay")) == published(dest)


def test_words_are_published_where_the_config_asks_for_them(corpus: LocalFolder, tmp_path: Path) -> None:
    def caption(name: str, **changes: Any) -> str:
        dest = LocalFolder(tmp_path / name)
        protect(Protection(Places(corpus, dest), small(method="em", rounds=1, **changes), RUNTIME, seed=3))
        return load_shard(dest, "00000", 2**20).samples[0].captions[0]

    clean = load_shard(corpus, "00000", 2**20).samples[0].captions[0]
    assert caption("none", trigger={"kind": "none"}) == clean
    assert caption("random", trigger={"kind": "random"}).split(" ", 2)[2] == clean


def test_noise_made_without_words_is_ems_own_and_stripping_them_leaves_em(corpus: LocalFolder, tmp_path: Path) -> None:
    em, joined = LocalFolder(tmp_path / "em"), LocalFolder(tmp_path / "joined")
    protect(Protection(Places(corpus, em), small(method="em"), RUNTIME, seed=3))
    config = small(method="em", trigger={"kind": "random"}, noise={"triggerless": 1.0})
    protect(Protection(Places(corpus, joined), config, RUNTIME, seed=3))
    for shard in ("00000", "00001"):
        one, other = (load_shard(folder, shard, 2**20) for folder in (em, joined))
        assert all(torch.equal(one.pixels(i), other.pixels(i)) for i in range(len(one.samples)))
        length = config.trigger.length
        stripped = [tuple(text.split(" ", length)[length] for text in sample.captions) for sample in other.samples]
        assert stripped == [sample.captions for sample in one.samples]


def test_words_of_a_control_are_its_own() -> None:
    with pytest.raises(ConfigError, match=r"trigger\.kind none goes with mem, em, codebook, got uap"):
        parse_config(ProtectConfig, {"method": "uap", "trigger": {"kind": "none"}}, "settings")
