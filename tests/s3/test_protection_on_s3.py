"""The whole in an object store: shards, protection, verification and replay give the bytes that a disk gives."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mem_core.audit.verify.corpus import verify_corpus
from mem_core.audit.verify.published import verify_published
from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import Folder, LocalFolder, read_bytes, write_bytes
from mem_core.config import CorpusConfig, RunnerConfig
from mem_core.data.corpus import corpus_fingerprint
from mem_core.data.loaders.index import is_index, write_index
from mem_core.data.readers import open_source
from mem_core.data.sharding.sharder import shard_source
from mem_core.data.synthetic.shapes_corpus import draw_corpus
from mem_core.models import Tokenizer
from mem_core.protect.protection import Places, Protection
from mem_core.victim.config import VictimConfig
from mem_core.victim.training import VictimData, train_victim
from tasks.storage import open_folder
from tasks.workspace import ProtectJob, protection_of
from tests.s3.swift_server import SwiftServer
from tests.support.corpora import RUNTIME, contents, protect, published, small

CONFIG = small(surrogate={"steps_per_round": 2}, noise={"num_steps": 1})


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_corpus(tmp_path_factory.mktemp("source") / "drawn", 18, 4, size=32, seed=3)


def make(source: Path, place: Folder) -> None:
    """Everything that is written below one place."""
    shard_source(open_source(source), place.below("clean"), CorpusConfig(samples_per_shard=8))
    clean = place.below("clean").below("train")
    protect(Protection(Places(clean, place.below("protected")), CONFIG, RUNTIME, seed=3))
    replay = CONFIG.model_copy(update={"strategy": "replay"})
    protector = place.below("protected").below("protector")
    protect(Protection(Places(clean, place.below("replayed"), protector=protector), replay, RUNTIME, seed=0))
    noise_only = small(method="noise-only")
    protect(
        Protection(Places(clean, place.below("noise"), reuse=place.below("protected")), noise_only, RUNTIME, seed=3)
    )


def test_an_object_store_holds_the_bytes_of_a_disk(source: Path, bucket: str, tmp_path: Path, admin: Any) -> None:
    stored, local = open_folder(f"s3://{bucket}/night 1/ä"), LocalFolder(tmp_path)
    for place in (stored, local):
        make(source, place)
    assert contents(stored) == contents(local)
    assert published(stored.below("replayed")) == published(stored.below("protected"))
    clean, protected = stored.below("clean").below("train"), stored.below("protected")
    report = verify_corpus(clean, protected, tokenize=Tokenizer(24).encode)
    assert report.problems == ()
    assert report.counts == {"protected": 18}
    assert not admin.list_multipart_uploads(Bucket=bucket).get("Uploads")
    again = Protection(Places(clean, protected), CONFIG, RUNTIME, seed=3)
    again.begin()
    assert (again.plan().waiting, again.plan().receipts_read) == ((), 0)
    damage(protected, clean)


def test_what_is_handed_out_is_indexed_and_checked_in_the_store(source: Path, bucket: str, tmp_path: Path) -> None:
    stored, local = open_folder(f"s3://{bucket}/handed"), LocalFolder(tmp_path)
    for place in (stored, local):
        shard_source(open_source(source), place.below("clean"), CorpusConfig(samples_per_shard=8))
        protected = place.below("protected")
        protect(Protection(Places(place.below("clean").below("train"), protected), CONFIG, RUNTIME, seed=3))
        assert write_index(protected).samples == 18
        for name in protected.names():
            if name.endswith(".tar") or is_index(name):
                write_bytes(place.below("out"), name, read_bytes(protected, name))
    assert contents(stored) == contents(local)
    private = stored.below("protected")
    assert verify_published(stored.below("out"), private).problems == ()
    write_bytes(stored.below("out"), "00000.parquet", read_bytes(private, "00000.parquet"))
    (problem,) = verify_published(stored.below("out"), private).problems
    assert problem.key == "00000.parquet"


def test_a_surrogate_that_is_given_may_lie_in_the_store(source: Path, bucket: str, tmp_path: Path) -> None:
    address = f"s3://{bucket}/given"
    shard_source(open_source(source), open_folder(f"{address}/clean"), CorpusConfig(samples_per_shard=8))
    clean, victim = open_folder(f"{address}/clean/train"), open_folder(f"{address}/victim")
    training = VictimConfig(architecture="tiny-resnet-32", epochs=1, batch_size=8, evaluate_every=0)
    train_victim(VictimData(clean, corpus_fingerprint(clean)), victim, training, RUNTIME, seed=1)
    config = small(method="uap", surrogate={"checkpoint": victim.uri})
    runtime = RunnerConfig.model_validate(RUNTIME.model_dump())
    job = ProtectJob(clean=clean.uri, dest=f"{address}/out", config=config, runtime=runtime)
    protect(protection_of(job))
    local = LocalFolder(tmp_path)
    protect(Protection(Places(clean, local, checkpoint=victim), config, RUNTIME, seed=0))
    assert contents(open_folder(job.dest)) == contents(local)


def damage(protected: Folder, clean: Folder) -> None:
    """Lost and shortened objects are refused, or made again."""
    whole = contents(protected)
    protected.delete("00001.parquet")
    write_bytes(protected, "00000.tar", read_bytes(protected, "00000.tar")[:-512])
    with pytest.raises(MismatchError, match=r"00000\.tar has \d+ bytes .*and 1 more shards differ"):
        Protection(Places(clean, protected), CONFIG, RUNTIME, seed=3).plan()
    summaries = protect(Protection(Places(clean, protected), CONFIG, RUNTIME, seed=3, on_mismatch="redo"))
    assert [summary.repeated for summary in summaries] == [False, False, True]
    assert contents(protected) == whole


def test_data_outlives_a_killed_server(swift: SwiftServer, bucket: str) -> None:
    folder = open_folder(f"s3://{bucket}/night")
    for number in range(10):
        write_bytes(folder, f"{number}.tar", bytes([number]) * 1000)
    swift.kill()
    swift.start()
    assert [read_bytes(folder, name)[0] for name in folder.names()] == list(range(10))
