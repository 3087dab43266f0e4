import json
from pathlib import Path

import pytest

from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import LocalFolder, read_bytes, write_bytes
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.data.corpus import list_shards
from mem_core.data.manifest import MANIFEST_NAME, build_manifest, read_manifest, write_manifest
from mem_core.data.receipt import Receipt, receipt_name, write_receipt


def finish(folder: LocalFolder, shard: str) -> None:
    write_bytes(folder, f"{shard}.tar", shard.encode())
    counts = {"protected": 3, "passthrough": 1, "failed": 2}
    digest = sha256_bytes(shard.encode())
    write_receipt(
        folder,
        Receipt(
            shard=shard,
            input_sha256="0" * 64,
            config_fingerprint="f",
            outputs={f"{shard}.tar": digest},
            counts=counts,
            code_version="1",
            method="mem",
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    folder = LocalFolder(tmp_path)
    for shard in ("00001", "00000"):
        finish(folder, shard)
    return folder


def test_a_manifest_lists_finished_shards(folder: LocalFolder) -> None:
    write_bytes(folder, "00002.tar", b"not finished")
    manifest = build_manifest(folder, kind="protected", config={"name": "x"})
    assert [(entry.name, entry.samples) for entry in manifest.shards] == [("00000", 4), ("00001", 4)]
    assert manifest.shards[0].sha256 == sha256_bytes(b"00000")
    assert manifest.shards[0].receipt_sha256 == sha256_bytes(read_bytes(folder, receipt_name("00000")))
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest


def test_equal_corpora_have_equal_fingerprints(folder: LocalFolder) -> None:
    one = build_manifest(folder, kind="protected")
    assert one.fingerprint == build_manifest(folder, kind="protected").fingerprint
    finish(folder, "00002")
    assert one.fingerprint != build_manifest(folder, kind="protected").fingerprint


@pytest.mark.parametrize("edit", [{"kind": "clean"}, {"config": {"a": 1}}, {"format": 2}, {"shards": []}, {"x": 1}])
def test_edits_show(folder: LocalFolder, edit: dict[str, object]) -> None:
    write_manifest(folder, build_manifest(folder, kind="protected"))
    values = json.loads(read_bytes(folder, MANIFEST_NAME)) | edit
    write_bytes(folder, MANIFEST_NAME, json.dumps(values).encode())
    with pytest.raises(MismatchError, match="manifest"):
        read_manifest(folder)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_garbage_is_refused(folder: LocalFolder, data: bytes) -> None:
    write_bytes(folder, MANIFEST_NAME, data)
    with pytest.raises(MismatchError, match="manifest"):
        read_manifest(folder)


def test_shards_are_the_tars_of_a_folder(folder: LocalFolder, tmp_path: Path) -> None:
    write_bytes(folder, "state/00007.tar", b"")
    assert list_shards(folder) == ["00000", "00001"]
    write_bytes(folder, "a b.tar", b"")
    with pytest.raises(SourceError, match="'a b'"):
        list_shards(folder)
    with pytest.raises(
        SourceError, match=r"^expected shards \(.tar files\) in .*/nothing, but there is no such folder$"
    ):
        list_shards(LocalFolder(tmp_path / "nothing"))


def test_no_manifest_is_none(folder: LocalFolder) -> None:
    assert read_manifest(folder) is None


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("test/00000.tar", "train/00000.tar", "train/00001.tar"), r"did you mean .*/test or .*/train\?$"),
        (("people/a.JPG",), r"it holds pictures or captions$"),
        (("captions.csv",), r"it holds pictures or captions$"),
        (("notes.md",), r"but there is none$"),
        ((), r"but there is none$"),
    ],
)
def test_a_folder_without_shards_is_answered_with_what_was_meant(
    names: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    for name in names:
        write_bytes(LocalFolder(tmp_path), name, b"")
    with pytest.raises(SourceError, match=sentence):
        list_shards(LocalFolder(tmp_path))
