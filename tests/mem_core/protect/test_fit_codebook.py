"""A codebook's topics are learned once a corpus, kept with it, and replayed on shards that have no neighbour."""

import json
from pathlib import Path
from random import Random
from typing import Literal

import pytest
import torch

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.common.errors import ConfigError, MismatchError, SourceError
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.config import ProtectConfig
from mem_core.data.shard import shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.data.table import read_table
from mem_core.models import Tokenizer
from mem_core.perturb.codebook import topic_words
from mem_core.protect import fit_codebook as topic_fit
from mem_core.protect.protection import Places, Protection
from mem_core.protect.protector import read_protector
from mem_core.victim.countermeasures.words import StripFirst
from tests.support.corpora import RUNTIME, emptied, protect, published, sample, small, tiny_corpus

CODEBOOK = small(method="codebook", noise={"topics": 4})
WORDLESS = small(method="codebook", noise={"topics": 4}, trigger={"kind": "none"})


@pytest.fixture
def clean(tmp_path: Path) -> LocalFolder:
    return tiny_corpus(tmp_path / "clean", 9, 5)


def protected(
    clean: LocalFolder,
    dest: LocalFolder,
    config: ProtectConfig = CODEBOOK,
    protector: Folder | None = None,
    **more: object,
) -> LocalFolder:
    protect(Protection(Places(clean, dest, protector), config, RUNTIME, seed=3, **more))  # type: ignore[arg-type]
    return dest


def test_every_image_wears_the_wave_and_the_words_of_its_topic(clean: LocalFolder, tmp_path: Path) -> None:
    dest = protected(clean, LocalFolder(tmp_path / "out"))
    kept = read_protector(dest.below("protector"))
    assert kept is not None
    assert kept.topics is not None
    before, after = (load_shard(folder, "00000", 2**20) for folder in (clean, dest))
    noises: dict[int, list[torch.Tensor]] = {}
    phrases: dict[int, set[str]] = {}
    for i, one in enumerate(before.samples):
        topic = kept.topics.of(one.captions, Tokenizer(77))
        (words,) = {
            published.removesuffix(f" {own}")
            for published, own in zip(after.samples[i].captions, one.captions, strict=True)
        }
        phrases.setdefault(topic, set()).add(words)
        noise = after.pixels(i).int() - before.pixels(i)
        assert noise.abs().max() == 8
        spectrum = torch.fft.rfft2(noise[0].float() - noise[0].float().mean()).abs()
        noises.setdefault(topic, []).append(spectrum / spectrum.norm())
    peaks = [{int(one.argmax()) for one in own} for own in noises.values()]
    assert len(peaks) > 1
    assert all(len(own) == 1 for own in peaks)  # phases differ, the wave does not
    assert len(set.union(*peaks)) == len(peaks)
    spoken = [word for own in phrases.values() for phrase in own for word in phrase.split()]
    assert all(len(own) == 1 for own in phrases.values())
    assert len(spoken) == len(set(spoken)) == len(phrases) * CODEBOOK.trigger.length


def test_a_new_shard_is_protected_alone_with_what_was_kept(clean: LocalFolder, tmp_path: Path) -> None:
    kept = protected(clean, LocalFolder(tmp_path / "out")).below("protector")
    replay, new = CODEBOOK.model_copy(update={"strategy": "replay"}), tiny_corpus(tmp_path / "new", 1)
    out = LocalFolder(tmp_path / "later")
    protect(Protection(Places(new, out, protector=kept), replay, RUNTIME, seed=8))
    assert verify_corpus(new, out, tokenize=Tokenizer(77).encode).problems == ()
    assert "protector/protector.json" not in published(out)


def test_a_run_that_was_killed_goes_on_with_the_topics_that_are_there(clean: LocalFolder, tmp_path: Path) -> None:
    whole = protected(clean, LocalFolder(tmp_path / "whole"))
    dest = LocalFolder(tmp_path / "killed")
    first = Protection(Places(clean, dest), CODEBOOK, RUNTIME, seed=3)
    first.begin()
    first.publish("00001")
    assert published(protected(clean, dest)) == published(whole)


def test_topics_of_another_corpus_are_not_taken(clean: LocalFolder, tmp_path: Path) -> None:
    dest = protected(clean, LocalFolder(tmp_path / "out"))
    other = tiny_corpus(tmp_path / "other", 4)
    with pytest.raises(MismatchError, match="it was fitted otherwise: choose another destination"):
        protected(other, dest)
    write_bytes(dest.below("protector"), "protector.json", b"{")
    with pytest.raises(MismatchError, match="expected a protector in"):
        protected(clean, dest)
    again = protected(clean, dest, on_mismatch="redo")
    assert published(again) == published(protected(clean, LocalFolder(tmp_path / "fresh")))


def test_no_more_captions_are_read_than_it_takes(
    clean: LocalFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    learn = topic_fit.learn_topics

    def counted(texts: list[tuple[str, ...]], *more: object) -> object:
        seen.append(len(texts))
        return learn(texts, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(topic_fit, "learn_topics", counted)
    protected(clean, LocalFolder(tmp_path / "all"))
    monkeypatch.setattr(topic_fit, "SAMPLES", 11)
    protected(clean, LocalFolder(tmp_path / "some"))
    assert seen == [14, 11]


def test_what_no_topic_can_be_learned_from_is_refused(tmp_path: Path) -> None:
    empty = LocalFolder(tmp_path / "empty")
    write_bytes(
        empty, "00000.tar", emptied(shard_bytes([sample("000000000", None, "to be emptied")]), b"to be emptied")
    )
    with pytest.raises(SourceError, match="expected captions in .* to learn topics from"):
        protected(empty, LocalFolder(tmp_path / "out"))


def test_shards_cannot_have_codebooks_of_their_own(clean: LocalFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fits a surrogate for each shard, and codebook has none"):
        Protection(
            Places(clean, LocalFolder(tmp_path / "out")),
            small(strategy="independent", method="codebook"),
            RUNTIME,
            seed=1,
        )


@pytest.mark.parametrize("kind", ["method", "random"])
def test_words_in_front_change_no_wave_so_that_stripping_them_leaves_the_waves(
    clean: LocalFolder, tmp_path: Path, kind: Literal["method", "random"]
) -> None:
    bare = protected(clean, LocalFolder(tmp_path / "bare"), WORDLESS)
    worded = small(method="codebook", noise={"topics": 4}, trigger={"kind": kind})
    behind = protected(clean, LocalFolder(tmp_path / "behind"), worded)
    one, other = (load_shard(folder, "00000", 2**20) for folder in (bare, behind))
    for i, found in enumerate(other.samples):
        assert torch.equal(one.pixels(i), other.pixels(i))
        assert [caption.split(" ", 2)[2] for caption in found.captions] == list(one.samples[i].captions)


def test_words_in_place_of_others_are_verified_and_outlast_a_trainer_who_drops_the_first(
    clean: LocalFolder, tmp_path: Path
) -> None:
    trigger = {"placement": "replace", "source": "captions", "length": 1}
    config = small(method="codebook", noise={"topics": 4}, trigger=trigger)
    dest = protected(clean, LocalFolder(tmp_path / "out"), config)
    assert verify_corpus(clean, dest, tokenize=Tokenizer(77).encode).problems == ()
    rows = {row.key: row for row in read_table(read_bytes(dest, "00000.parquet"), "00000.parquet")}
    both = [load_shard(folder, "00000", 2**20).samples for folder in (clean, dest)]
    texts = [load_shard(clean, name, 2**20).samples for name in ("00000", "00001")]
    spoken = {word for shard in texts for one in shard for word in " ".join(one.captions).lower().split()}
    for before, after in zip(*both, strict=True):
        word = rows[after.key].trigger
        assert word in spoken
        for own, changed in zip(before.captions, after.captions, strict=True):
            assert len(changed.split()) == len(own.split())
            assert not changed.lower().startswith(word)  # an article stands there
            (left,) = StripFirst(words=1).text((changed,), Random(0))
            assert word in left.lower().split()


@pytest.mark.parametrize(("name", "value"), [("topics", None), ("weights", (0.5,))])
def test_a_protector_that_lost_its_topics_protects_nothing(
    clean: LocalFolder, tmp_path: Path, name: str, value: object
) -> None:
    kept = protected(clean, LocalFolder(tmp_path / "out")).below("protector")
    values = json.loads(read_bytes(kept, "protector.json"))
    if name == "topics":
        values["topics"] = value
    else:
        values["topics"]["weights"][next(iter(values["topics"]["weights"]))] = value
    write_bytes(kept, "protector.json", json.dumps(values).encode())
    with pytest.raises(MismatchError, match="which cannot be read: .*expected (4 topics, got 0|a weight for each)"):
        protected(
            clean, LocalFolder(tmp_path / "later"), CODEBOOK.model_copy(update={"strategy": "replay"}), protector=kept
        )


def test_captions_that_are_all_alike_have_no_topics(tmp_path: Path) -> None:
    alike = LocalFolder(tmp_path / "alike")
    write_bytes(alike, "00000.tar", shard_bytes([sample(f"00000000{i}", None, "a red bus") for i in range(3)]))
    with pytest.raises(SourceError, match="captions that differ, to learn topics from, but 3 images are alike"):
        protected(alike, LocalFolder(tmp_path / "out"))


def test_topics_want_words_of_their_own() -> None:
    drawn = topic_words(range(100, 124), 8, 3, seed=1)
    assert sorted(token for words in drawn for token in words) == list(range(100, 124))
    wanted = (
        "vocabulary of 24 words or more for 8 topics of 3 words each, got 23: set fewer protect.noise.topics, "
        "a smaller protect.trigger.length or another protect.trigger.source"
    )
    with pytest.raises(ConfigError, match=wanted):
        topic_words(range(23), 8, 3, seed=1)
