import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from mem_core.common.errors import MismatchError
from mem_core.common.storage.folder import LocalFolder, write_bytes
from mem_core.common.storage.hashing import HashingReader, HashingWriter, sha256_bytes, sha256_of
from mem_core.data.receipt import (
    Receipt,
    changed_output,
    parse_receipt,
    read_receipt,
    receipt_bytes,
    receipt_name,
    write_receipt,
)

OUTPUTS = {"00000.tar": b"tar", "00000.parquet": b"table", "00000_stats.json": b"{}"}


def receipt(**changes: object) -> Receipt:
    values: dict[str, object] = {
        "shard": "00000",
        "input_sha256": "0" * 64,
        "config_fingerprint": "f" * 64,
        "protector": "p",
        "outputs": {name: sha256_bytes(data) for name, data in OUTPUTS.items()},
        "counts": {"protected": 3, "failed": 1},
        "code_version": "0.1.0",
        "method": "mem",
        "epsilon_levels": 8,
        "trigger_length": 3,
        "vocabulary": "words",
    }
    return Receipt.model_validate(values | changes)


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    folder = LocalFolder(tmp_path)
    for name, data in OUTPUTS.items():
        write_bytes(folder, name, data)
    return folder


def test_a_receipt_comes_back_as_it_was(folder: LocalFolder) -> None:
    assert read_receipt(folder, "00000") is None
    assert write_receipt(folder, receipt())
    assert read_receipt(folder, "00000") == receipt()
    assert receipt_bytes(receipt()) == receipt_bytes(parse_receipt(receipt_bytes(receipt()), "00000", folder.uri))


def test_the_first_receipt_wins(folder: LocalFolder) -> None:
    write_receipt(folder, receipt())
    assert not write_receipt(folder, receipt())
    with pytest.raises(MismatchError, match="no other receipt for shard 00000"):
        write_receipt(folder, receipt(method="em"))
    assert read_receipt(folder, "00000") == receipt()


@pytest.mark.parametrize(
    ("name", "value"),
    [("epsilon_levels", 64), ("counts", {"protected": 4}), ("method", "em"), ("seal", "0" * 64), ("note", "hello")],
)
def test_any_edit_shows(folder: LocalFolder, name: str, value: object) -> None:
    values = json.loads(receipt_bytes(receipt()))
    write_bytes(folder, receipt_name("00000"), json.dumps(values | {name: value}).encode())
    with pytest.raises(MismatchError, match="edited"):
        read_receipt(folder, "00000")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"[" * 100_000, b" " * (2 << 20), b'{"a": ' + b"9" * 9999 + b"}"],
)
def test_garbage_is_refused(folder: LocalFolder, data: bytes) -> None:
    write_bytes(folder, receipt_name("00000"), data)
    with pytest.raises(MismatchError, match=f"{folder.uri}/00000.receipt.json"):
        read_receipt(folder, "00000")


def test_the_receipt_of_another_shard_is_refused(folder: LocalFolder) -> None:
    write_bytes(folder, receipt_name("00001"), receipt_bytes(receipt()))
    with pytest.raises(MismatchError, match="shard 00001"):
        read_receipt(folder, "00001")


@pytest.mark.parametrize(
    "changes",
    [
        {"shard": "../x"},
        {"shard": ""},
        {"outputs": {}},
        {"outputs": {"00000.tar": "0" * 64, "../../etc/passwd": "0" * 64}},
        {"outputs": {"00000.tar": "00"}},
        {"counts": {"protected": -1}},
        {"format": 2},
        {"epsilon_levels": 300},
    ],
)
def test_what_no_receipt_can_say(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        receipt(**changes)


def test_a_receipt_holds_while_its_outputs_do(folder: LocalFolder) -> None:
    assert not changed_output(folder, receipt())
    write_bytes(folder, "00000.parquet", b"other")
    assert "00000.parquet to have SHA-256" in changed_output(folder, receipt())
    folder.delete("00000.parquet")
    assert "missing" in changed_output(folder, receipt())


def test_hashing_streams_see_all_that_goes_by(folder: LocalFolder) -> None:
    data = bytes(3_000_000)
    with folder.write("big") as stream:
        writer = HashingWriter(stream)
        writer.write(data[:10])
        writer.write(data[10:])
    with folder.open("big") as stream:
        reader = HashingReader(stream)
        assert reader.read(7) + reader.read() == data
    assert writer.hexdigest() == reader.hexdigest() == sha256_of(folder, "big") == sha256_bytes(data)
