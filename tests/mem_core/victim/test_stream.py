"""The stream of pairs: every pair once a pass, mixed across shards, the same from memory and from the tars."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.data.shard import shard_bytes
from mem_core.models.training import save_checkpoint
from mem_core.victim import stream as module
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.base import Pair
from mem_core.victim.record import CHECKPOINT, Epoch
from mem_core.victim.stream import PairStream, even_batches
from mem_core.victim.training import Training, VictimData, train_victim
from tests.support.corpora import RUNTIME, plain_shard, sample, tiny_corpus

CONFIG = VictimConfig(architecture="tiny-resnet-32", batch_size=4, views="centre")
EPOCH = Epoch(epoch=1, loss=1.0, seconds=1.0)
NOTHING_KEPT = RUNTIME.model_copy(update={"cache_mb": 0})


def counted(corpus: LocalFolder, seed: int = 1, **changes: object) -> PairStream:
    config = VictimConfig.model_validate(CONFIG.model_dump() | changes)
    stream = Training(corpus, config, RUNTIME, seed).stream
    stream.count()
    return stream


def keys_of(stream: PairStream, epoch: int) -> list[str]:
    return [pair.key for pair in stream._pass(epoch, 0)]


def tensors(stream: PairStream) -> list[torch.Tensor]:
    return [tensor for epoch in range(2) for batch in stream.batches(epoch) for tensor in batch]


def test_a_pass_has_every_pair_once_in_another_order_each_time(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path, 9, 8, 7)
    stream = counted(corpus)
    found = [keys_of(stream, epoch) for epoch in range(3)]
    assert all(sorted(keys) == sorted(found[0]) and len(keys) == 24 for keys in found)
    assert len({tuple(keys) for keys in found}) == 3
    assert found[1] == keys_of(counted(corpus), 1)
    assert found[1] != keys_of(counted(corpus, seed=2), 1)
    assert len({key[:5] for key in found[0][:8]}) == 3  # shards are mixed, not one after the other


def test_no_more_than_a_buffer_of_samples_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUFFER", 4)
    stream = counted(tiny_corpus(tmp_path, 9, 8, 7))
    read: list[str] = []
    expanded = stream._expanded

    def watched(shards: Iterator[module.WebSample]) -> Iterator[module.WebSample]:
        for item in expanded(shards):
            read.append(item["__key__"])
            yield item

    monkeypatch.setattr(stream, "_expanded", watched)
    for place, _ in enumerate(stream._pass(0, 0), start=1):
        assert len(read) - place <= 4 + 1
    assert len(set(read)) == 24


@pytest.mark.parametrize("countermeasures", [[], [{"kind": "bit-depth"}], [{"kind": "flip"}, {"kind": "drop-words"}]])
@pytest.mark.parametrize("samples", [None, 11])
def test_what_is_kept_in_memory_changes_no_batch(
    clean: LocalFolder, countermeasures: list[object], samples: int | None
) -> None:
    """The corpus has samples that cannot be used, and images of several sizes and formats."""
    config = VictimConfig.model_validate(CONFIG.model_dump() | {"countermeasures": countermeasures, "samples": samples})
    kept, read = (Training(clean, config, runtime, 1).stream for runtime in (RUNTIME, NOTHING_KEPT))
    kept.count()
    read.count()
    assert kept._kept
    assert not any(kept_samples for kept_samples in read._kept.values())
    assert all(torch.equal(one, other) for one, other in zip(tensors(kept), tensors(read), strict=True))


def test_a_picture_that_changes_under_a_training_has_a_sentence(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path, 4)
    stream = Training(corpus, CONFIG, NOTHING_KEPT, 1).stream
    stream.count()
    write_bytes(corpus, "00000.tar", shard_bytes([sample(f"00000000{i}", b"no image") for i in range(4)]))
    with pytest.raises(SourceError, match=r"to stay as it is.*sample 00000000\d of shard 00000"):
        next(stream.batches(0))


def test_a_training_begun_in_the_order_of_an_older_version_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, out = tiny_corpus(tmp_path / "corpus", 5), LocalFolder(tmp_path / "out")
    begun = Training(corpus, CONFIG, RUNTIME, 1)
    begun.steps_done = 7
    with monkeypatch.context() as patch:
        patch.setattr("mem_core.victim.training.ORDER", "another")
        save_checkpoint(out, CHECKPOINT, begun.state("same", [EPOCH]))
    later = Training(corpus, CONFIG, RUNTIME, 1)
    assert (later.resume(out, "same"), later.steps_done) == ([], 0)
    save_checkpoint(out, CHECKPOINT, begun.state("same", [EPOCH]))
    assert (later.resume(out, "same"), later.steps_done) == ([EPOCH], 7)


@given(st.integers(2, 300), st.integers(2, 40))
def test_batches_are_even_and_a_single_pair_is_none(count: int, size: int) -> None:
    pixels = np.zeros((1, 1, 3), np.uint8)
    pairs = [Pair(str(place), pixels, ("a",)) for place in range(count)]
    found = list(even_batches(iter(pairs), count, size))
    lengths = list(map(len, found))
    assert max(lengths) <= size
    assert min(lengths) >= 2
    assert max(lengths) - min(lengths) <= 1
    left_out = count - sum(lengths)
    assert left_out == 0 or size == 2
    assert left_out <= 1
    seen = [pair.key for batch in found for pair in batch]
    assert len(set(seen)) == len(seen)


def test_no_shard_has_a_small_rest_of_its_own(tmp_path: Path) -> None:
    """Steps are those of all samples, whatever the shards."""
    corpus = tiny_corpus(tmp_path, *[5] * 9)
    write_bytes(corpus, "00009.tar", plain_shard("00009", 1))
    record = train_victim(
        VictimData(corpus),
        LocalFolder(tmp_path / "out"),
        CONFIG.model_copy(update={"epochs": 1, "batch_size": 23}),
        RUNTIME,
        seed=1,
    )
    assert (record.samples, record.steps) == (46, 2)
