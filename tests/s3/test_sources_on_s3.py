"""Sources in an object store give what the same files give on a disk; only what is asked for is read."""

from pathlib import Path

import pytest

from mem_core.common.errors import SourceError, StorageRefused
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.config import CorpusConfig
from mem_core.data.readers import RawSample, open_source
from tasks.sharding import shard_corpus
from tasks.storage import open_folder
from tests.support.corpora import contents
from tests.support.source_formats import WRITERS
from tests.support.source_making import picture, write_images, write_tar

CORPUS = {f"{name}.png": [f"a {name}", f"one {name}, \u00fc"] for name in ("cat", "dog \u00e9")}


def write_identities(root: Path, _: object) -> None:
    write_images(root, ["Ada_Lovelace/1.jpg", "Bob/1.png"])


def write_shards(root: Path, _: object) -> None:
    (root / "train").mkdir()
    for shard in ("00000", "00001"):
        members = {f"{shard}0000.png": picture(shard), f"{shard}0000.txt": b"words"}
        write_tar(root / "train" / f"{shard}.tar", members)


FORMATS = {**WRITERS, "identities": write_identities, "webdataset": write_shards}


def stored(bucket: str, root: Path) -> str:
    """The files below a folder, in the store; returns their address."""
    uri = f"s3://{bucket}/source 1"
    local = LocalFolder(root)
    for name, data in contents(local).items():
        write_bytes(open_folder(uri), name, data)
    return uri


def what(sample: RawSample) -> tuple[object, ...]:
    return sample.name, sample.captions, sample.split, sample.metadata, sample.problem, sample.image()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_from_a_store_as_from_a_disk(name: str, bucket: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path, CORPUS)
    there, here = open_source(open_folder(stored(bucket, tmp_path))), open_source(tmp_path)
    assert there.format == here.format == name.strip()
    assert [what(sample) for sample in there] == [what(sample) for sample in here]


def test_a_source_in_a_store_becomes_the_shards_of_one_on_a_disk(bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    WRITERS["coco"](source, CORPUS)
    uri = stored(bucket, source)
    config = CorpusConfig(samples_per_shard=1)
    for name in ("", "/annotations/captions_train2017.json"):  # the folder, and its caption file
        by_store, by_disk = f"s3://{bucket}/clean{len(name)}", tmp_path / f"clean{len(name)}"
        found = shard_corpus.fn(uri + name, by_store, config)
        assert {split: summary.samples for split, summary in found.items()} == {"train": 2}
        shard_corpus.fn(f"{source}{name}", str(by_disk), config)
        assert contents(open_folder(by_store)) == contents(LocalFolder(by_disk))


def test_nothing_there(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"images with captions in s3://{bucket}/nowhere, but it has no file that"):
        shard_corpus.fn(f"s3://{bucket}/nowhere", str(tmp_path / "out"), CorpusConfig())
    with pytest.raises(StorageRefused, match="no such bucket"):
        shard_corpus.fn("s3://no-such-bucket/source", str(tmp_path / "out"), CorpusConfig())


def test_parts_of_an_object(bucket: str) -> None:
    folder = open_folder(f"s3://{bucket}/parts")
    write_bytes(folder, "a", bytes(range(10)))
    assert [folder.read("a", start, size) for start, size in ((0, 3), (8, 5), (4, 0))] == [
        *(bytes([0, 1, 2]), bytes([8, 9]), b"")
    ]
    with pytest.raises(FileNotFoundError):
        folder.read("b", 0, 1)
