"""Noise that lasts without its trigger, as config: published within the budget, and replayed to the same bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.progress import silent
from mem_core.common.storage.folder import LocalFolder
from mem_core.config import Placement, ProtectConfig, parse_config
from mem_core.data.shard_cache import load_shard
from mem_core.models import Tokenizer
from mem_core.models.placement import places_of
from mem_core.models.token_rows import with_trigger
from mem_core.protect.protection import Places, Protection
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.applied import pairs_of
from mem_core.victim.countermeasures.base import Pair
from mem_core.victim.stream import caption_tokens
from tests.support.corpora import RUNTIME, fit, protect, published, small, tiny_corpus

VARIANTS: dict[str, dict[str, Any]] = {
    "mem that also aims at own captions": {"noise": {"own_captions": 0.5, "triggerless": 1.0}},
    "em behind random words": {"method": "em", "trigger": {"kind": "random"}, "noise": {"triggerless": 0.5}},
    "noise up the loss of a surrogate that learned before": {"method": "uap"},
    "words at the end": {"trigger": {"placement": "end"}},
    "words inside": {"trigger": {"placement": "inside"}},
    "ids inside": {"trigger": {"placement": "inside", "vocabulary": "all"}},
    "ids at the end": {"profile": "paper", "rounds": 2, "trigger": {"placement": "end"}},
    "em with random words inside": {"method": "em", "trigger": {"kind": "random", "placement": "inside"}},
    "a codebook at the end": {"method": "codebook", "noise": {"topics": 3}, "trigger": {"placement": "end"}},
    "random words inside": {"method": "random-trigger", "trigger": {"placement": "inside"}},
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


@pytest.mark.parametrize("placement", ["end", "inside"])
@pytest.mark.parametrize("vocabulary", ["all", "words"])
def test_a_victim_of_recorded_ids_reads_what_the_surrogate_read(
    corpus: LocalFolder, tmp_path: Path, placement: Placement, vocabulary: str
) -> None:
    trigger = {"placement": placement, "vocabulary": vocabulary, "length": 3}
    config, dest, tokenizer = small(trigger=trigger, rounds=1), LocalFolder(tmp_path), Tokenizer(24)
    protection = Protection(Places(corpus, dest), config, RUNTIME, seed=3)
    clean = load_shard(corpus, "00000", 2**20)
    fit(protection)
    state = protection.source.final_state(clean, silent)
    ids = dict(zip(clean.keys, state.trigger_ids, strict=True))
    protection.publish("00000")
    known = {sample.key: sample.captions for sample in clean.samples}
    pairs = pairs_of(load_shard(dest, "00000", 2**20))
    draw = torch.Generator().manual_seed(0)
    for pair in pairs:
        wanted = [
            with_trigger(
                tokenizer.encode([caption]),
                ids[pair.key].unsqueeze(0),
                tokenizer.end_id,
                torch.tensor([places_of(caption, 3, placement).tokens]),
            )
            for caption in known[pair.key]
        ]
        (row,) = caption_tokens([pair], VictimConfig(captions="trigger-ids"), tokenizer, draw).tolist()
        assert row in [rows[0, : len(row)].tolist() for rows in wanted]


@pytest.mark.parametrize("places", [None, [], [[0, 1]], [[90, 91]], "here", [["a", "b"]]])
def test_recorded_places_that_are_none_are_named(places: object) -> None:
    made = {"memshield": {"trigger": "zap zip", "trigger_ids": [1, 2], "trigger_places": places}}
    pair = Pair("000000000", np.zeros((2, 2, 3), np.uint8), ("a zap dog zip",), made)
    config, draw = VictimConfig(captions="trigger-ids"), torch.Generator()
    with pytest.raises(SourceError, match="trigger_places in the json of sample 000000000"):
        caption_tokens([pair], config, Tokenizer(24), draw)


def test_words_of_a_control_are_its_own() -> None:
    with pytest.raises(ConfigError, match=r"trigger\.kind none goes with mem, em, codebook, mark, got uap"):
        parse_config(ProtectConfig, {"method": "uap", "trigger": {"kind": "none"}}, "settings")
