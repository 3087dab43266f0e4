"""Countermeasures inside a training: part of its config and fingerprint, done once or in each epoch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mem_core.common.errors import ConfigError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.config import parse_config
from mem_core.data.shard import shard_bytes
from mem_core.data.shard_cache import load_shard
from mem_core.models import Tokenizer
from mem_core.victim.config import FinetuneConfig, VictimConfig
from mem_core.victim.countermeasures import AnyCountermeasure
from mem_core.victim.countermeasures.applied import Applied, pairs_of
from mem_core.victim.countermeasures.clean_pairs import CleanPart, MixClean, Recaption
from mem_core.victim.countermeasures.images import BitDepth, Flip
from mem_core.victim.countermeasures.purifier import Purifier, save_purifier
from mem_core.victim.countermeasures.words import KeepCommon, StripFirst
from mem_core.victim.finetune import drop_tokens, second_views
from mem_core.victim.training import Training, VictimData, train_victim
from tests.support.corpora import RUNTIME, SAVED_OFTEN, Cut, Failing, contents, encoded, photo, sample, tiny_corpus

CONFIG = VictimConfig(architecture="tiny-resnet-32", epochs=1, batch_size=4, warmup_steps=2)


def chosen(**changes: object) -> VictimConfig:
    return VictimConfig.model_validate(CONFIG.model_dump() | changes)


def test_a_training_without_countermeasures_is_as_before(clean: LocalFolder, tmp_path: Path) -> None:
    shard = load_shard(clean, "00001", 2**20)
    assert Applied((), None, 0).before(shard) is shard
    pairs = pairs_of(shard)
    assert Applied((), None, 0).in_epoch(pairs, 3) is pairs


def test_augmentations_are_drawn_anew_and_the_rest_is_not(clean: LocalFolder) -> None:
    shard = load_shard(clean, "00001", 2**20)
    applied = Applied((Flip(), BitDepth(bits=2)), None, 5)
    kept = applied.before(shard)
    assert len(np.unique(kept.pictures[0].pixels)) <= 4
    flipped = [
        [bool((new.pixels != old.pixels).any()) for new, old in zip(seen, kept.pictures, strict=True)]
        for seen in (applied.in_epoch(pairs_of(kept), epoch) for epoch in range(3))
    ]
    assert flipped[0] != flipped[1] != flipped[2]
    again = Applied((Flip(), BitDepth(bits=2)), None, 5).in_epoch(pairs_of(kept), 1)
    same = applied.in_epoch(pairs_of(kept), 1)
    assert all((a.pixels == b.pixels).all() for a, b in zip(again, same, strict=True))


def test_recaptioned_protected_pairs_read_as_the_clean_ones(clean: LocalFolder, mem: LocalFolder) -> None:
    protected = load_shard(mem, "00001", 2**20)
    found = Applied((Recaption(),), clean, 0).before(protected)
    original = load_shard(clean, "00001", 2**20)
    assert [sample.captions for sample in found.samples] == [sample.captions for sample in original.samples]
    assert all((a.pixels == b.pixels).all() for a, b in zip(found.pictures, protected.pictures, strict=True))


def test_stripping_takes_off_the_published_trigger(clean: LocalFolder, mem: LocalFolder) -> None:
    found = Applied((StripFirst(words=2),), None, 0).before(load_shard(mem, "00001", 2**20))
    original = load_shard(clean, "00001", 2**20)
    assert [sample.captions for sample in found.samples] == [sample.captions for sample in original.samples]


def test_all_clean_is_a_clean_training(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    """Of every shard no pair stays protected: the very weights of a victim of the clean corpus."""
    mixed, plain = LocalFolder(tmp_path / "mixed"), LocalFolder(tmp_path / "plain")
    train_victim(
        VictimData(mem, clean=clean),
        mixed,
        chosen(countermeasures=[{"kind": "mix-clean", "protected": 0}]),
        RUNTIME,
        seed=1,
    )
    train_victim(VictimData(clean), plain, CONFIG, RUNTIME, seed=1)
    assert read_bytes(mixed, "victim.safetensors") == read_bytes(plain, "victim.safetensors")


def batches_of(
    corpus: LocalFolder, clean: LocalFolder, one: AnyCountermeasure, samples: int | None, **changes: object
) -> tuple[int, list[list[bytes]]]:
    """How many samples there are, and the pictures of an epoch, batch by batch."""
    config = chosen(countermeasures=[one], samples=samples, views="centre", **changes)
    stream = Training(corpus, config, RUNTIME, 1, clean).stream
    stream.count()
    found = [[image.numpy().tobytes() for image in images] for images, _ in stream.batches(2)]
    return stream.samples, found


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("samples", [None, 11, 16, 19])
@pytest.mark.parametrize("batch_size", [3, 4, 7])
def test_a_clean_part_is_what_the_mix_holds_clean_in_as_many_steps(
    tmp_path: Path, share: float, samples: int | None, batch_size: int
) -> None:
    """Whatever the limit cuts off, and of the published pairs alone: the clean corpus holds more."""
    clean, corpus = tiny_corpus(tmp_path / "clean", 7, 5, 9, 4), LocalFolder(tmp_path / "published")
    for name, count in (("00000", 6), ("00001", 5), ("00002", 8), ("00003", 4)):
        dark = [sample(f"{name}{i:04d}", encoded(photo(500 + i))) for i in range(count)]
        write_bytes(corpus, f"{name}.tar", shard_bytes(dark))
    _, published = batches_of(corpus, clean, MixClean(protected=1), None)
    count, mixed = batches_of(corpus, clean, MixClean(protected=share), samples, batch_size=batch_size)
    left, part = batches_of(corpus, clean, CleanPart(protected=share), samples, batch_size=batch_size)
    assert count == (samples or 23)
    assert len(part) == len(mixed)
    seen = {image for batch in mixed for image in batch} - {image for batch in published for image in batch}
    assert {image for batch in part for image in batch} == seen
    assert left == len(seen)
    assert all(2 <= len(set(batch)) == len(batch) <= batch_size for batch in part)


def test_shards_and_pools_of_which_nothing_is_left_are_made_up_for(tmp_path: Path) -> None:
    clean = tiny_corpus(tmp_path, *[1] * 9, 7)
    left, part = batches_of(clean, clean, CleanPart(protected=0.6), None)
    assert left == 3
    _, all_of_them = batches_of(clean, clean, MixClean(protected=0.6), None)
    assert len(part) == len(all_of_them)


def test_a_victim_of_a_clean_part_takes_the_steps_of_the_mix_and_can_be_killed(
    clean: LocalFolder, mem: LocalFolder, tmp_path: Path
) -> None:
    out, whole, mixed = (LocalFolder(tmp_path / name) for name in ("out", "whole", "mixed"))
    part = chosen(countermeasures=[CleanPart()], epochs=2)
    with pytest.raises(Cut):
        train_victim(VictimData(mem, clean=clean), Failing(out, 2), part, SAVED_OFTEN, seed=1)
    record = train_victim(VictimData(mem, clean=clean), out, part, RUNTIME, seed=1)
    train_victim(VictimData(mem, clean=clean), whole, part, RUNTIME, seed=1)
    assert read_bytes(out, "victim.safetensors") == read_bytes(whole, "victim.safetensors")
    mix = train_victim(
        VictimData(mem, clean=clean), mixed, chosen(countermeasures=[MixClean()], epochs=2), RUNTIME, seed=1
    )
    assert (record.samples, mix.samples) == (13, 23)
    assert record.steps == mix.steps == 2 * 6


@pytest.mark.parametrize(("share", "left"), [(0.9, 1), (1.0, 0)])
def test_a_clean_part_too_small_to_contrast_has_a_sentence(tmp_path: Path, share: float, left: int) -> None:
    clean = tiny_corpus(tmp_path / "clean", 5)
    config = chosen(countermeasures=[CleanPart(protected=share)])
    sentence = f"at least 2 usable samples to train on, got {left}: the countermeasures leave out {5 - left} of 5"
    with pytest.raises(SourceError, match=sentence):
        train_victim(VictimData(clean, clean=clean), LocalFolder(tmp_path / "out"), config, RUNTIME, seed=1)


def test_countermeasures_are_part_of_the_fingerprint(clean: LocalFolder, tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    configs = [
        CONFIG,
        chosen(countermeasures=[{"kind": "jpeg"}]),
        chosen(countermeasures=[{"kind": "jpeg", "quality": 50}]),
    ]
    found = {train_victim(VictimData(clean), out, config, RUNTIME, seed=1).fingerprint for config in configs}
    assert len(found) == 3


def test_another_clean_corpus_is_another_training(mem: LocalFolder, clean: LocalFolder, tmp_path: Path) -> None:
    config = chosen(finetune={"share": 0.5, "epochs": 1})
    other = tiny_corpus(tmp_path / "other", 9, 9)
    out = LocalFolder(tmp_path / "out")
    first = train_victim(VictimData(mem, clean=clean), out, config, RUNTIME, seed=1)
    assert train_victim(VictimData(mem, clean=clean), out, config, RUNTIME, seed=1) == first
    assert train_victim(VictimData(mem, clean=other), out, config, RUNTIME, seed=1).fingerprint != first.fingerprint


@pytest.mark.parametrize("changes", [{"countermeasures": [{"kind": "recaption"}]}, {"finetune": {}}])
def test_without_the_clean_corpus_there_is_a_sentence(
    mem: LocalFolder, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="needs the clean corpus$"):
        train_victim(VictimData(mem), LocalFolder(tmp_path), chosen(**changes), RUNTIME, seed=1)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([{"kind": "jpg"}], "Input tag 'jpg' found using 'kind' does not match"),
        ([{"kind": "jpeg", "quality": 0}], "greater than or equal to 1"),
        ([{"kind": "jpeg", "qualty": 50}], "is not a setting"),
    ],
)
def test_unknown_countermeasures_are_refused(value: list[object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_config(VictimConfig, {"countermeasures": value}, "preset")


def test_token_ids_and_changed_text_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match="strip-first changes captions"):
        parse_config(VictimConfig, {"captions": "trigger-ids", "countermeasures": [{"kind": "strip-first"}]}, "preset")
    assert VictimConfig(captions="trigger-ids", countermeasures=(MixClean(),)).countermeasures


def test_a_purifier_is_a_file(clean: LocalFolder, tmp_path: Path) -> None:
    path = tmp_path / "purifier.safetensors"
    config = chosen(countermeasures=[{"kind": "autoencoder", "weights": str(path)}])
    with pytest.raises(ConfigError, match=r"weights of a purifier in .*purifier\.safetensors"):
        train_victim(VictimData(clean), LocalFolder(tmp_path / "no"), config, RUNTIME, seed=1)
    path.write_bytes(save_purifier(Purifier()))
    purified, plain = LocalFolder(tmp_path / "purified"), LocalFolder(tmp_path / "plain")
    train_victim(VictimData(clean), purified, config, RUNTIME, seed=1)
    train_victim(VictimData(clean), plain, CONFIG, RUNTIME, seed=1)
    assert read_bytes(purified, "victim.safetensors") == read_bytes(plain, "victim.safetensors")


def test_so_many_samples_and_the_same_ones_for_every_seed(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path, 6, 5, 7, 4)
    few = [Training(corpus, chosen(samples=9), RUNTIME, seed).stream for seed in (1, 2)]
    for stream in few:
        stream.count()
    assert [stream.samples for stream in few] == [9, 9]
    assert [sum(len(images) for images, _ in stream.batches(0)) for stream in few] == [9, 9]
    more = Training(corpus, chosen(samples=100), RUNTIME, 1).stream
    more.count()
    assert more.samples == 22


def test_a_killed_training_on_some_samples_goes_on_with_the_same(tmp_path: Path) -> None:
    corpus, config = tiny_corpus(tmp_path / "corpus", 6, 5, 7), chosen(samples=9, epochs=2)
    out, whole = LocalFolder(tmp_path / "out"), LocalFolder(tmp_path / "whole")
    with pytest.raises(Cut):
        train_victim(VictimData(corpus), Failing(out, 2), config, SAVED_OFTEN, seed=1)
    record = train_victim(VictimData(corpus), out, config, RUNTIME, seed=1)
    train_victim(VictimData(corpus), whole, config, RUNTIME, seed=1)
    assert (record.samples, record.steps) == (9, 6)
    assert read_bytes(out, "victim.safetensors") == read_bytes(whole, "victim.safetensors")


def test_finetuning_follows_training_and_can_be_killed(clean: LocalFolder, mem: LocalFolder, tmp_path: Path) -> None:
    config = chosen(finetune=FinetuneConfig(share=0.3, epochs=2).model_dump())
    out, whole = LocalFolder(tmp_path / "out"), LocalFolder(tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(Cut):
            train_victim(VictimData(mem, clean=clean), Failing(out, 2), config, SAVED_OFTEN, seed=1)
    record = train_victim(VictimData(mem, clean=clean), out, config, RUNTIME, seed=1)
    train_victim(VictimData(mem, clean=clean), whole, config, RUNTIME, seed=1)
    assert len(record.history) == 3
    assert record.samples == 23  # of the corpus; fine-tuning takes 7 clean pairs, two batches an epoch
    assert record.steps == 6 + 2 * 2
    assert read_bytes(out, "victim.safetensors") == read_bytes(whole, "victim.safetensors")
    assert set(contents(out)) == {"victim.safetensors", "victim.json"}


def test_dropped_tokens_leave_start_end_and_order() -> None:
    tokenizer = Tokenizer(16)
    rows = tokenizer.encode(["a dog runs on the green grass by the sea", "dog"]).repeat(50, 1)
    found = drop_tokens(rows, torch.Generator().manual_seed(0))
    lengths = set()
    for before, after in zip(rows.tolist(), found.tolist(), strict=True):
        assert after[0] == tokenizer.start_id
        end = after.index(tokenizer.end_id)
        assert not any(after[end + 1 :])
        rest = iter(before)
        assert all(token in rest for token in after[: end + 1])
        lengths.add(end)
    assert len(lengths) > 3


def test_second_views_are_other_pictures_of_the_same_kind() -> None:
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 0 + 0.5
    seen = second_views(images, torch.Generator().manual_seed(0))
    assert seen.shape == images.shape
    assert torch.allclose(seen, images, atol=1e-5)  # of one colour: crops and mirrors of it are the same


def test_common_words_are_a_setting_like_any_other() -> None:
    config = VictimConfig(countermeasures=(KeepCommon(common=7),))
    assert VictimConfig.model_validate(config.model_dump()) == config
